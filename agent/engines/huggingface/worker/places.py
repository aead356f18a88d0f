"""Where the files of a model are: a folder or a GGUF file of this machine, or a snapshot in the Hugging Face cache."""

import os
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from failure import Failure, failure_of
from weights import missing_of, not_wanted, only_gguf, refuse_pickle

_COMMIT = re.compile(r"^[0-9a-f]{40}$")


@dataclass
class Found:
    folder: str
    """Name of the GGUF file in it, if that is the model."""
    gguf: Optional[str]
    """Full commit hash; of what comes from the hub."""
    commit: Optional[str]
    """Whether the suite named that very commit."""
    pinned: bool


def find(spec: Dict[str, Any]) -> Found:
    """Of a load request. Raises Failure."""
    model, revision = spec["model"], spec.get("revision")
    if os.path.isabs(model):
        found = _local(model)
    else:
        found = _of_hub(model, revision, spec.get("cache_dir"), spec["allow_download"], spec["allow_pickle"])
    if found.gguf is None:
        refuse_pickle(os.listdir(found.folder), model, spec["allow_pickle"])
    return found


def _of_hub(model: str, revision: Optional[str], cache_dir: Optional[str], allow_download: bool, allow_pickle: bool) -> Found:
    if not re.match(r"^[\w.-]+(/[\w.-]+)?$", model):
        raise Failure("engine", "bad_option", f"{model} is neither ORGANISATION/NAME nor an absolute path")
    folder = _snapshot(model, revision, cache_dir, allow_download, allow_pickle)
    commit = os.path.basename(os.path.realpath(folder))
    if not _COMMIT.match(commit):
        raise Failure("engine", "model_missing", f"{folder} is no snapshot of a commit")
    return Found(folder, only_gguf(os.listdir(folder), model), commit, revision == commit)


def _local(path: str) -> Found:
    if os.path.isfile(path) and path.endswith(".gguf"):
        return Found(os.path.dirname(path), os.path.basename(path), None, True)
    if not os.path.isdir(path):
        hint = "models are absolute paths of a folder or a .gguf file on the agent's machine, or ORGANISATION/NAME"
        raise Failure("engine", "model_missing", f"there is no model at {path}; {hint}")
    lacks = missing_of(path)
    if lacks:
        raise Failure("engine", "model_missing", f"{path} is no whole model: it lacks {_some(lacks)}")
    return Found(path, only_gguf(os.listdir(path), path), None, True)


def _some(names: List[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def _caches(cache_dir: Optional[str]) -> List[str]:
    """Hub caches, the usual first. `cache_dir` may be one, or what HF_HOME means: the folder above one."""
    if cache_dir is None:
        from huggingface_hub import constants

        return [constants.HF_HUB_CACHE]
    return [os.path.join(cache_dir, "hub"), cache_dir]


def _snapshot(model: str, revision: Optional[str], cache_dir: Optional[str], allow_download: bool, allow_pickle: bool) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    caches = _caches(cache_dir)
    at = f"{model} at {revision or 'main'}"
    partly = ""
    for cache in caches:
        try:
            # Without a pattern the client wants all of the repository, also what was left out on purpose.
            folder = snapshot_download(model, revision=revision, cache_dir=cache, local_files_only=True, ignore_patterns="*")
        except (LocalEntryNotFoundError, HFValidationError, OSError):
            continue
        # An interrupted download leaves a part.
        lacks = missing_of(folder)
        if not lacks:
            return folder
        partly = partly or f"{at} is only partly in {cache}: it lacks {_some(lacks)}"
    if allow_download:
        return _download(model, revision, caches[0], allow_pickle, at)
    more = "" if revision is None else f" --revision {revision}"
    hint = f"fetch it with `hf download {model}{more} --cache-dir {caches[0]}`, or set engines.huggingface.allow_download"
    raise Failure("engine", "model_missing", f"{partly or f'{at} is not in ' + ' or '.join(caches)}; {hint}")


def _download(model: str, revision: Optional[str], cache: str, allow_pickle: bool, at: str) -> str:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        # Before anything is fetched: what cannot be loaded may be hundreds of gigabytes.
        names = [file.rfilename for file in HfApi().model_info(model, revision=revision).siblings or []]
        patterns = not_wanted(names, at, allow_pickle)
        return snapshot_download(model, revision=revision, cache_dir=cache, ignore_patterns=patterns)
    except Failure:
        raise
    except GatedRepoError as error:
        hint = "accept its licence on the hub, and set HF_TOKEN to a token that may read it"
        raise Failure("engine", "model_forbidden", f"{at} may not be downloaded; {hint}") from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise Failure("engine", "model_missing", f"the hub has no {at}, or this token may not see it") from error
    except Exception as error:
        failure = failure_of(error, "download_failed", f"downloading {at}")
        raise Failure("transient", failure.class_name, str(failure)) from error
