"""The options of `filter-texts`; every rule is off unless asked for."""

from typing import Literal, Self

from pydantic import Field, model_validator

from gpte_data.config import StageConfig
from gpte_data.errors import BadOption
from gpte_data.languages import code_of
from gpte_data.text_rules.quality import PUBLISHED, SHARES


class TextsConfig(StageConfig):
    """Which rules texts must keep, and what is mended."""

    language: str = Field("", description="Drop what is surely in none of these, as de,en.")
    match_language: bool = Field(
        False, description="Drop what is surely not in the row's own language."
    )
    mojibake: Literal["drop", "fix"] | None = Field(
        None, description="Of texts read in a wrong encoding: drop them, or fix them (ftfy)."
    )
    personal_data: Literal["drop", "mask"] | None = Field(
        None,
        description="Of e-mail addresses, phone numbers, IBANs, credit cards and IP addresses: "
        "drop the row, or mask them as <EMAIL> and so on.",
    )
    phone_region: str = Field(
        "", description="Country of phone numbers without +, as DE or US; else they are not found."
    )
    boilerplate: bool = Field(
        False, description="Drop placeholder text, notices about cookies, navigation (C4)."
    )
    quality: bool = Field(
        False, description="All rules on shares and word length below, with Gopher's thresholds."
    )
    min_words: int | None = Field(None, ge=1, description="Drop texts with fewer words.")
    max_words: int | None = Field(None, ge=1, description="Drop texts with more words.")
    min_word_length: float | None = Field(
        None, ge=0, description="Drop if words are shorter on average (Gopher: 3)."
    )
    max_word_length: float | None = Field(
        None, ge=0, description="Drop if words are longer on average (Gopher: 10)."
    )
    min_letter_words: float | None = Field(
        None, ge=0, le=1, description="Drop if a smaller share of words has letters (Gopher: .8)."
    )
    max_symbols: float | None = Field(
        None, ge=0, description="Drop if more # and ellipses for each word (Gopher: .1)."
    )
    max_bullet_lines: float | None = Field(
        None, ge=0, le=1, description="Drop if more lines begin with a bullet (Gopher: .9)."
    )
    max_ellipsis_lines: float | None = Field(
        None, ge=0, le=1, description="Drop if more lines end with an ellipsis (Gopher: .3)."
    )
    max_repeated_lines: float | None = Field(
        None, ge=0, le=1, description="Drop if more lines stood there before (Gopher: .3)."
    )
    max_top_ngram: float | None = Field(
        None, ge=0, le=1,
        description="Drop if more of the text is one phrase of three words (Gopher: .18).",
    )  # fmt: skip
    max_repeated_ngrams: float | None = Field(
        None, ge=0, le=1,
        description="Drop if more of the text is phrases of five words said before (Gopher: .15).",
    )  # fmt: skip
    max_upper: float | None = Field(
        None, ge=0, le=1, description="Drop if more of the letters are upper case."
    )
    max_links: float | None = Field(
        None, ge=0, le=1, description="Drop if more of the characters are links."
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        """Raise BadOption where no rule is on, or two contradict each other."""
        set_ = [name for name in type(self).model_fields if getattr(self, name) and name != "seed"]
        if not self.limits() and not [name for name in set_ if name != "phone_region"]:
            raise BadOption(
                "no rule was asked for: give one, as --language en, --mojibake fix, --quality or "
                "--personal-data mask; see --help"
            )
        if self.phone_region and self.personal_data is None:
            raise BadOption("--phone-region changes nothing without --personal-data: leave it out")
        for least, most in (("min_words", "max_words"), ("min_word_length", "max_word_length")):
            low, high = getattr(self, least), getattr(self, most)
            if low is not None and high is not None and low > high:
                option = least.replace("_", "-")
                raise BadOption(f"--{option} {low} is more than the most allowed, {high}")
        self.languages()
        return self

    def languages(self) -> list[str]:
        """Return the codes of the languages that texts may be in; all if none."""
        said = [one.strip() for one in self.language.split(",")] if self.language else []
        for one in said:
            if not code_of(one):
                raise BadOption(
                    f"--language {one!r} is no language that is known: expected codes or English "
                    "names, as de,en"
                )
        return said

    def limits(self) -> dict[str, float]:
        """Return the limits of shares, by option."""
        given = {name: getattr(self, name) for name in SHARES}
        usual = PUBLISHED if self.quality else {}
        return usual | {name: limit for name, limit in given.items() if limit is not None}
