"""`st:MODEL`: a teacher run by sentence-transformers in this process.

Where the processor or the GPU multiplies bfloat16 in hardware, the model runs in it: on a processor
about three times as fast, with vectors at a cosine of .998 and more to those in float32
(docs/performance.md). `--dtype float32` keeps the model as it is.
"""

from collections.abc import Iterator, Sequence

from gpte_data.backends import Batch, Encoding, Options
from gpte_data.backends.models import model_identity
from gpte_data.backends.scan import has_bf16
from gpte_data.backends.st_model import forward, load
from gpte_data.backends.unit import unit
from gpte_data.errors import BadInput, BadOption

DTYPES = ("float32", "bfloat16", "float16")


def identity(model: str) -> dict[str, str]:
    """Return the hash of the model's files."""
    return model_identity(model)


def dtype_of(asked: str) -> str:
    """Return the type that a model runs in; raise BadOption if there is none of that name."""
    if asked == "auto":
        return "bfloat16" if has_bf16() else "float32"
    if asked not in DTYPES:
        raise BadOption(f"--dtype takes auto, {', '.join(DTYPES)}: found {asked!r}")
    return asked


def open_embedder(model: str, options: Options) -> "STEmbedder":
    """Return the teacher."""
    return STEmbedder(model, options)


class STEmbedder:
    """Embeds texts with a SentenceTransformer; long texts are cut to what it takes."""

    def __init__(self, model: str, options: Options) -> None:
        self.name = model
        self.encoding: Encoding = options.encoding
        self.model = load(model, dtype_of(self.encoding.dtype))
        self.tokens = options.batch_tokens

    def stream(self, texts: Sequence[str], prompt: str) -> Iterator[Batch]:
        """Yield unit vectors, texts of one length together."""
        refusal = BadInput(f"st:{self.name} gives vectors that are zero or not finite")
        prompted = [prompt + text for text in texts]
        longest = self.encoding.max_length
        for positions, out, cut in forward(self.model, prompted, self.tokens, longest):
            found = out["sentence_embedding"][: len(positions)].float().cpu().numpy()
            yield Batch(positions, unit(found, refusal, self.encoding.truncate_dim), sum(cut))
