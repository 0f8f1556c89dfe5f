"""The prompts that ask a chat model for the one word that stands for a text (see `promptreps`).

A prompt is what stands before the text and what stands behind it, as tokens, in the model's own
chat template; a model without one gets the same lines bare. What templates may add by themselves
and would change the vectors is fixed: the date, and whether the model thinks before it answers.
"""

from dataclasses import dataclass
from typing import Any

from gpte_data.errors import BadOption

HERE = "\ue000"
"""Where the text stands in a message: a character that no text has a use for."""
PASSAGE = (
    f"Passage: {HERE}\n\n"
    "Somebody wants to find this passage again with a single word. Say which word names best what "
    "it is about. Answer with that word only, in lower case."
)
QUERY = (
    f"Search query: {HERE}\n\n"
    "Somebody looks for passages that answer this query with a single word. Say which word names "
    "best what they must be about. Answer with that word only, in lower case."
)
OPENING = 'The word is: "'
"""The beginning of the model's answer."""
PROMPTS = "\n".join((PASSAGE, QUERY, OPENING))
"""All of the words, which vectors depend on."""
TODAY = "1 July 2024"
FIXED = "{%- macro strftime_now(form) -%}" + TODAY + "{%- endmacro -%}"
"""Put before a chat template, instead of the clock that templates may read."""


@dataclass(frozen=True, slots=True)
class Around:
    """Tokens around a text."""

    before: list[int]
    after: list[int]

    def __len__(self) -> int:
        return len(self.before) + len(self.after)


def around(tokenizer: Any, prompt: str) -> Around:
    """Return the tokens of a prompt, PASSAGE or QUERY.

    Raises:
        BadOption: The model's chat template fails, or does not show a message once.
    """
    before, after = _rendered(tokenizer, prompt)
    first, second = tokenizer([before, after], add_special_tokens=False)["input_ids"]
    start = tokenizer.bos_token_id
    if not tokenizer.chat_template and start is not None:
        first = [start, *first]
    return Around(first, second)


def _rendered(tokenizer: Any, prompt: str) -> tuple[str, str]:
    """Return the conversation before and after the text."""
    if not tokenizer.chat_template:
        before, after = prompt.split(HERE)
        return before, f"{after}\n\n{OPENING}"
    try:
        whole = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            chat_template=FIXED + tokenizer.get_chat_template(),
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
            date_string=TODAY,
        )
    except Exception as error:  # a template raises whatever it wants
        raise BadOption(f"the model's chat template fails on a message: {error}") from None
    if whole.count(HERE) != 1:
        raise BadOption(
            f"the model's chat template shows a message {whole.count(HERE)} times: expected once"
        )
    before, after = whole.split(HERE)
    return before, after + OPENING
