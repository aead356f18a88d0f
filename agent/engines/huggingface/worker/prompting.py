"""
Messages and pictures become tokens by the model's own template.

1. A system message is never lost: where the template refuses or drops it, it goes before the user's text, with the flag
   `system_in_user`.
"""

from typing import Any, Dict, List, Optional, Tuple

from failure import Failure
from loading import Loaded
from pictures import picture_of


def inputs_of(loaded: Loaded, request: Dict[str, Any]) -> Tuple[Any, List[str]]:
    """What the model takes, on its device, and flags. Raises Failure."""
    images = [picture_of(image) for image in request["images"]]
    if images and not loaded.sees:
        message = f"{loaded.about['architecture']} cannot see: the sample has {len(images)} pictures"
        raise Failure("engine", "no_vision", message)
    inputs, flags = _tokens(loaded, request, images)
    if inputs["input_ids"].shape[1] == 0:
        hint = "this model has no chat template that would put anything around it"
        raise Failure("engine", "empty_prompt", f"the prompt is empty; {hint}")
    return _placed(loaded, inputs), flags


def _tokens(loaded: Loaded, request: Dict[str, Any], images: List[Any]) -> Tuple[Any, List[str]]:
    system, user = _well_formed(request.get("system")), _well_formed(request["user"])
    if not getattr(loaded.processor, "chat_template", None):
        return _plain(loaded, system, user, images), []
    if system is None or _tells_system(loaded, request, system, user):
        return _templated(loaded, request, system, user, images), []
    return _templated(loaded, request, None, f"{system}\n\n{user}", images), ["system_in_user"]


def _well_formed(text: Optional[str]) -> Optional[str]:
    """Half of a pair of UTF-16, which JSON can say and no tokenizer takes, becomes the mark for what cannot be shown."""
    return text and text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _tells_system(loaded: Loaded, request: Dict[str, Any], system: str, user: str) -> bool:
    """Whether the template takes a system message (invariant 1): some refuse it, in words of their own, and some drop it."""
    from jinja2 import TemplateError

    try:
        text = loaded.processor.apply_chat_template(
            _messages(loaded, system, user, []), add_generation_prompt=True, tokenize=False, **_more(request)
        )
    except TemplateError:
        return False
    return system.strip() in text


def _templated(loaded: Loaded, request: Dict[str, Any], system: Optional[str], user: str, images: List[Any]) -> Any:
    return loaded.processor.apply_chat_template(
        _messages(loaded, system, user, images),
        add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt", **_more(request),
    )


def _messages(loaded: Loaded, system: Optional[str], user: str, images: List[Any]) -> List[Dict[str, Any]]:
    def content(text: str, pictures: List[Any]) -> Any:
        if not loaded.sees:
            return text
        return [*({"type": "image", "image": picture} for picture in pictures), {"type": "text", "text": text}]

    messages = [] if system is None else [{"role": "system", "content": content(system, [])}]
    return [*messages, {"role": "user", "content": content(user, images)}]


def _more(request: Dict[str, Any]) -> Dict[str, Any]:
    think = request["settings"].get("think")
    return {} if think is None else {"enable_thinking": think}


def _plain(loaded: Loaded, system: Optional[str], user: str, images: List[Any]) -> Any:
    """For models that are not made for chats: the texts as they are, the pictures before them."""
    text = user if system is None else f"{system}\n\n{user}"
    if not loaded.sees:
        return loaded.tokenizer(text, return_tensors="pt")
    mark = getattr(loaded.processor, "image_token", None)
    if images and mark is not None:
        text = f"{mark}\n" * len(images) + text
    return loaded.processor(text=text, images=images or None, return_tensors="pt")


def _placed(loaded: Loaded, inputs: Any) -> Any:
    import torch

    if not loaded.sees:
        inputs.pop("token_type_ids", None)
    for name, value in inputs.items():
        if isinstance(value, torch.Tensor):
            dtype = loaded.model.dtype if value.is_floating_point() else value.dtype
            inputs[name] = value.to(device=loaded.device, dtype=dtype)
    return inputs
