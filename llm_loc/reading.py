"""A language model and its tokenizer, read by transformers: a folder, the hub, a GGUF file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.base.errors import ModelError
from common.models.load import check_sizes, check_whole, config_digest
from llm_loc.gguf import check_gguf, unmark, unpacking
from llm_loc.models import LanguageModel


def read_model(
    name: str, place: str, untrained: bool, where: Mapping[str, str], how: Mapping[str, Any]
) -> LanguageModel:
    """Read a model, or draw random weights for its architecture.

    Parameters
    ----------
    name : str
        As the user wrote it.
    place : str
        A folder, or a repository of the hub.
    untrained : bool
        Random weights.
    where : mapping of str to str
        The revision in a repository (``revision``), and the GGUF file in it (``gguf_file``).
    how : mapping
        Type of its numbers (``dtype``), and where they lie (``device_map``).

    Raises
    ------
    ModelError
        If it is no language model, or lacks weights.
    """
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoModelForCausalLM,
        AutoTokenizer,
        PretrainedConfig,
    )
    from transformers.utils import logging as transformers_logging

    # A bar for each file that it reads, and a table of what does not fit: told below, as an error.
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    packed = "gguf_file" in where
    safe = {**where, "trust_remote_code": False}
    if packed:
        check_gguf()
    config = AutoConfig.from_pretrained(place, **safe)
    check_sizes(name, config.to_dict())
    causal = _is_causal(name, config)
    kind: Any = AutoModelForCausalLM if causal else AutoModel
    if untrained:
        module = kind.from_config(config, dtype=how["dtype"], trust_remote_code=False)
    else:
        with unpacking(packed) as besides:
            known = {
                "config": config,
                "weights_only": True,
                "output_loading_info": True,
                "ignore_mismatched_sizes": True,
                **how,
                **safe,
                **besides,
            }
            module, found = kind.from_pretrained(place, **known)
            if not causal and _lacks_pooler(found):
                # As masked language models are published; what a pooler gives nobody reads here.
                module, found = kind.from_pretrained(place, add_pooling_layer=False, **known)
        check_whole(name, found, "language model", module.state_dict())
        if packed:
            unmark(module)
    tokenizer = AutoTokenizer.from_pretrained(place, **safe)
    # A GGUF file holds its own, in other words for each version that reads it.
    written = {} if packed else PretrainedConfig.get_config_dict(place, **where)[0]
    digest = config_digest(written) if written else ""
    return LanguageModel(name, module, tokenizer, causal, config=digest)


def _lacks_pooler(found: Mapping[str, Any]) -> bool:
    """Whether all that a checkpoint lacks is the layer behind an encoder's first token."""
    missing = [str(key) for key in found.get("missing_keys", ())]
    return bool(missing) and all(key.split(".")[0] == "pooler" for key in missing)


def _is_causal(name: str, config: Any) -> bool:
    """Whether the architecture predicts the next token; one that does neither is refused."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    kind = config.model_type
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(f"`model` {name}: {kind} is an encoder with a decoder; not supported")
    masked = kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False)
    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not masked:
        return True
    if masked:
        return False
    raise ModelError(f"`model` {name}: {kind} is no language model")
