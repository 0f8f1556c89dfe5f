"""Texts of evaluation sets found again in training data: by equality, by runs of words, by vectors.

Texts become numbers of words (`words`), runs of them one number each (`grams`). How long a run must
be, and how much of a text must stand in such runs, hangs on the text's length (`lengths`). An index
of all runs of the evaluation texts (`index`) gives each row the few texts that it may hold, and
their overlap is then measured exactly (`coverage`, `matching`). Evaluation texts come from BEIR
folders, files and MTEB (`evaluation`).
"""
