"""One open engine of a language model, and the requests in it, whoever asked them.

Several iterators may have requests in one engine, one inside another: whichever lets the engine
step hands every finished answer to the one who asked. What costs time at each request is made
once: the model's sampling defaults, which vLLM reads from disk each time, and the schemas.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import orjson
from pydantic import ValidationError

from gpte_data.errors import UserError

Tell = Callable[[Any], None]
"""Takes vLLM's RequestOutput of a request, when it is finished."""
ITS_THREADS = ("EngineCoreOutputQueueThread", "MPClientEngineMonitor")
"""Names of vLLM's threads in our process."""
CUT_TO_FIT = {"truncate_prompt_tokens": -1}
"""Tokenization argument: a text longer than the model takes loses its end."""
SCHEMAS = 256
"""Schemas kept; a recipe has one or a few."""


class Refused(Exception):
    """vLLM does not take a request; it says nothing of the others."""


def _pooling(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells vLLM how to pool; nothing where it is left to vLLM."""
    if not params:
        return {}
    from vllm import PoolingParams

    return {"pooling_params": PoolingParams(**params)}


class Engine:
    """vLLM's LLM, with a table of who waits for what.

    Args:
        spec: As the user gave it, for errors.
        llm: vLLM's LLM.
        ended: Called when it was shut down.
    """

    def __init__(self, spec: str, llm: Any, ended: Callable[[], None]) -> None:
        self.spec, self.llm, self._ended = spec, llm, ended
        self.waiting: dict[str, Tell] = {}
        """By vLLM's number for the request."""
        self._schemas: dict[bytes, Any] = {}

    @cached_property
    def room(self) -> int:
        """Requests that one asker keeps in the engine: twice what it runs at a time.

        It never waits for a next one then, and those of one passage stay close together.
        """
        return 2 * int(self.llm.llm_engine.vllm_config.scheduler_config.max_num_seqs)

    def ask(
        self,
        messages: Sequence[Mapping[str, str]],
        schema: Mapping[str, Any],
        sampling: Mapping[str, Any],
        tell: Tell,
    ) -> str:
        """Hand a conversation to the engine and return vLLM's number for it.

        Raises:
            Refused: vLLM does not take it: too long, a schema that it can't follow.
            ValueError: The model takes no conversations, or not such ones.
            UserError: The engine broke.
        """
        from vllm.exceptions import VLLMValidationError

        try:
            params = self._sampling(schema, sampling)
            (name,) = self.llm.enqueue_chat([list(messages)], [params], use_tqdm=False)
        except VLLMValidationError as error:
            raise Refused(in_a_line(error)) from error
        except ValueError:
            raise
        except Exception as error:
            raise self.broken(error) from error
        number: str = name.split("-", 1)[0]  # vLLM answers without what follows the -
        self.waiting[number] = tell
        return number

    def step(self) -> None:
        """Let the engine write one token for each request that runs; hand out what is finished.

        Raises:
            UserError: The engine broke: no memory, a lost GPU.
        """
        try:
            outputs = self.llm.llm_engine.step()
        except Exception as error:  # vLLM raises whatever its parts raise
            raise self.broken(error) from error
        for output in outputs:
            if output.finished and (tell := self.waiting.pop(output.request_id, None)):
                tell(output)

    def pooled(self, how: str, *texts: Sequence[Any], **params: Any) -> Any:
        """Return what vLLM's `embed`, `score` or `classify` makes of texts, or of its prompts.

        Texts that are too long are cut to fit; `params` are vLLM's PoolingParams.

        Raises:
            UserError: The engine broke.
        """
        try:
            run = getattr(self.llm, how)
            return run(*texts, use_tqdm=False, tokenization_kwargs=CUT_TO_FIT, **_pooling(params))
        except Exception as error:  # vLLM raises whatever its parts raise
            raise self.broken(error) from error

    def broken(self, error: Exception) -> UserError:
        """Return in words that the engine is lost: for want of memory, with its GPU, killed."""
        return UserError(
            f"{self.spec} broke down: {in_a_line(error)}; what was answered is kept, "
            "mend the cause and run the same command again"
        )

    def take_back(self, numbers: Iterable[str]) -> None:
        """Stop requests that nobody waits for any more; the others run on."""
        if mine := [number for number in numbers if self.waiting.pop(number, None)]:
            self.llm.llm_engine.abort_request(mine)

    def close(self) -> None:
        """Shut the engine down; its memory is free once nobody has its `llm`."""
        from vllm.distributed import cleanup_dist_env_and_memory

        self.waiting.clear()
        self.llm.llm_engine.engine_core.shutdown()
        self._ended()
        for thread in threading.enumerate():
            if thread.name in ITS_THREADS:  # one that is left could end the program by a crash
                thread.join(10)
        del self.llm
        cleanup_dist_env_and_memory()

    @cached_property
    def _defaults(self) -> dict[str, Any]:
        """The model's own generation_config, as a vLLM server applies it."""
        defaults: dict[str, Any] = self.llm.model_config.get_diff_sampling_param()
        return defaults

    def _sampling(self, schema: Mapping[str, Any], sampling: Mapping[str, Any]) -> Any:
        """Return vLLM's SamplingParams; they are new for each request, so it need not copy them."""
        from vllm import SamplingParams

        settings = self._defaults | dict(sampling)
        held = self._structured(schema)
        return SamplingParams(**settings, structured_outputs=held, skip_clone=True)

    def _structured(self, schema: Mapping[str, Any]) -> Any:
        """Return what holds an answer to a schema; the order of its fields is theirs too."""
        from vllm.sampling_params import StructuredOutputsParams

        text = orjson.dumps(schema)
        if text not in self._schemas:
            if len(self._schemas) >= SCHEMAS:
                self._schemas.clear()
            self._schemas[text] = StructuredOutputsParams(json=text.decode())
        return self._schemas[text]


def in_a_line(error: Exception) -> str:
    """Return the first line of what an error says, or its kind where it says nothing."""
    text = str(error)
    if isinstance(error, ValidationError):
        text = error.errors()[0]["msg"]  # its first line only counts the errors
    lines = text.strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
