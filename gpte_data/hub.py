"""A folder of ours as a dataset on the Hugging Face hub.

Only what a run wrote goes there: shards, what a format puts beside them, the card (README.md and
croissant.jsonld).
Marks stay here, for they name folders of this machine; so do rejected rows, journals, and whatever
else lies in the folder. The same command again uploads what is missing. huggingface_hub itself
reads the token from HF_TOKEN or where `hf auth login` keeps it, the server from HF_ENDPOINT.
"""

import contextlib
import glob
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gpte_data import manifest
from gpte_data.errors import BadOption, EndpointError, UserError, first_line
from gpte_data.io import SUFFIXES
from gpte_data.own_files import own_files

_NAME = re.compile(r"^\w[\w.-]*/\w[\w.-]*$", re.ASCII)
"""OWNER/NAME."""
BESIDE = ("README.md", "croissant.jsonld")
HIDDEN = (manifest.DONE, manifest.REJECTED, manifest.JOURNAL)
_DATA = (*SUFFIXES, ".tar", ".tar.gz", ".tsv")
"""Endings of shards: such files that the dataset no longer has are taken away from the hub."""
_AGAIN = "what is written here is kept; run the same command again to upload it"


def check(repo: str) -> None:
    """Find out whether somebody may upload; nothing is changed.

    Raises:
        BadOption: The name won't do.
        EndpointError: There is no token, it is refused, or the hub can't be reached.
    """
    if not _NAME.match(repo):
        raise BadOption(f"--push-to-hub {repo!r} won't do: expected OWNER/NAME")
    with _errors(repo, "nothing was written"):
        _api().whoami()


def push(output: Path, repo: str, *, private: bool) -> str:
    """Upload a folder's own files, take old shards away; return what there is to say.

    Raises:
        BadOption: The name won't do, or the dataset there can be read by everybody and should not.
        EndpointError: The hub refuses it, or can't be reached; running it again goes on.
    """
    if not _NAME.match(repo):
        raise BadOption(f"--push-to-hub {repo!r} won't do: expected OWNER/NAME")
    with _errors(repo, _AGAIN):
        api = _api()
        url = api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        if private and not api.repo_info(repo, repo_type="dataset").private:
            raise BadOption(
                f"{repo} is there already and everybody can read it: --no-private uploads to it "
                "all the same; another name makes a dataset for you alone"
            )
        api.upload_folder(
            repo_id=repo, repo_type="dataset", folder_path=output,
            ignore_patterns=_others(output), delete_patterns=[f"*{ending}" for ending in _DATA],
            commit_message=f"gpte-data emit, {_fingerprint(output)[:12]}",
        )  # fmt: skip
    return f"{repo} has it all now: {url}"


def _others(output: Path) -> list[str]:
    """Return patterns of what stays here."""
    own = {*own_files(output), *BESIDE}
    found = {p.relative_to(output).as_posix() for p in output.rglob("*") if p.is_file()}
    hidden = tuple(f"{name}/" for name in HIDDEN)
    others = sorted(name for name in found - own if not name.startswith(hidden))
    return [*(f"{name}*" for name in hidden), *map(glob.escape, others)]


def _fingerprint(output: Path) -> str:
    mark = manifest.read_mark(output, manifest.ALL)
    return manifest.fingerprint(mark.identity) if mark is not None else ""


def _api() -> Any:
    from huggingface_hub import HfApi

    return HfApi(library_name="gpte-data")


@contextlib.contextmanager
def _errors(repo: str, kept: str) -> Iterator[None]:
    """Turn what the hub and the way there refuse into one sentence."""
    from huggingface_hub import errors

    try:
        yield
    except UserError:
        raise
    except errors.LocalTokenNotFoundError:
        raise EndpointError(
            f"--push-to-hub needs a token: set HF_TOKEN, or run hf auth login; {kept}"
        ) from None
    except errors.OfflineModeIsEnabled:
        raise EndpointError(
            f"--push-to-hub can't reach the hub, HF_HUB_OFFLINE is set: unset it; {kept}"
        ) from None
    except errors.HfHubHTTPError as error:
        raise EndpointError(f"{_refused(repo, error)}; {kept}") from None
    except (errors.HTTPError, OSError) as error:
        if getattr(error, "filename", None):  # a file of ours, no answer of the hub's
            raise
        raise EndpointError(
            f"--push-to-hub can't reach the hub ({first_line(error)}): look at the network and at "
            f"HF_ENDPOINT; {kept}"
        ) from None
    except errors.HFValidationError as error:
        raise BadOption(f"--push-to-hub {repo!r} won't do: {first_line(error)}") from None


def _refused(repo: str, error: Any) -> str:
    """Return what the hub's answer means; the token is never in it."""
    status = error.response.status_code
    if status == 401:
        return "the hub does not accept the token: make a new one that may write, and set HF_TOKEN"
    if status in (403, 404):
        return f"the hub refuses to write {repo}: the token needs the right to write there"
    return f"the hub answers {status} for {repo}: {error.server_message or first_line(error)}"
