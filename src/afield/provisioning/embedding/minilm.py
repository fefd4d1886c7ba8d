"""all-MiniLM-L6-v2 with numpy: a BERT of six layers, the mean over a sentence's tokens, length 1."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from afield.provisioning.embedding.files import ModelFilesError, read_weights
from afield.provisioning.embedding.gelu import gelu
from afield.provisioning.embedding.threads import one_thread

Floats = NDArray[np.float32]
_LONGEST = 256  # tokens; the model was trained on sentences and short paragraphs
_BATCH = 16
_HIDDEN = np.float32(-1e9)


class MiniLm:
    """Sentence vectors of 384 numbers. Loading takes some 0.2 s, a short sentence some 10 ms on one core."""

    name = "all-MiniLM-L6-v2"

    def __init__(self, folder: Path) -> None:
        """Reads the files. Raises ModelFilesError."""
        try:
            config = json.loads((folder / "config.json").read_text("utf-8"))
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._heads = int(config["num_attention_heads"])
            self._layers = int(config["num_hidden_layers"])
            self._epsilon = np.float32(config["layer_norm_eps"])
        except (OSError, ValueError, KeyError) as error:
            raise ModelFilesError(f"The language model in {folder.name} cannot be read: {error}.") from error
        self._tokenizer.enable_truncation(_LONGEST)
        self._tokenizer.enable_padding()
        self._weights = read_weights(folder / "model.safetensors")

    def vectors(self, sentences: Sequence[str]) -> Floats:
        """One row of length 1 a sentence, in their order; sentences of like length are done together."""
        width = self._weights["embeddings.word_embeddings.weight"].shape[1]
        result = np.zeros((len(sentences), width), dtype=np.float32)
        with one_thread():
            self._fill(result, sentences)
        return result

    def _fill(self, result: Floats, sentences: Sequence[str]) -> None:
        order = sorted(range(len(sentences)), key=lambda number: len(sentences[number]))
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            result[chosen] = self._batch([sentences[number] for number in chosen])

    def _batch(self, sentences: list[str]) -> Floats:
        encoded = self._tokenizer.encode_batch(sentences)
        tokens = np.array([one.ids for one in encoded])
        mask = np.array([one.attention_mask for one in encoded], dtype=np.float32)
        state = self._embedded(tokens)
        hidden = ((1 - mask) * _HIDDEN)[:, None, None, :]
        for number in range(self._layers):
            state = self._layer(state, hidden, f"encoder.layer.{number}")
        summed = (state * mask[:, :, None]).sum(axis=1)
        lengths = np.linalg.norm(summed, axis=1, keepdims=True)
        return np.asarray(summed / np.maximum(lengths, 1e-12), dtype=np.float32)

    def _embedded(self, tokens: NDArray[np.int_]) -> Floats:
        weights = self._weights
        whole = (
            weights["embeddings.word_embeddings.weight"][tokens]
            + weights["embeddings.position_embeddings.weight"][: tokens.shape[1]]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        return self._normed(whole, "embeddings.LayerNorm")

    def _layer(self, state: Floats, hidden: Floats, place: str) -> Floats:
        attended = self._dense(
            self._attention(state, hidden, f"{place}.attention.self"), f"{place}.attention.output.dense"
        )
        state = self._normed(state + attended, f"{place}.attention.output.LayerNorm")
        inner = gelu(self._dense(state, f"{place}.intermediate.dense"))
        return self._normed(state + self._dense(inner, f"{place}.output.dense"), f"{place}.output.LayerNorm")

    def _attention(self, state: Floats, hidden: Floats, place: str) -> Floats:
        count, length, width = state.shape
        shape = (count, length, self._heads, width // self._heads)
        query, key, value = (
            self._dense(state, f"{place}.{name}").reshape(shape).transpose(0, 2, 1, 3)
            for name in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(shape[3])) + hidden
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weighed = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        return np.asarray(weighed.transpose(0, 2, 1, 3).reshape(count, length, width), dtype=np.float32)

    def _dense(self, state: Floats, place: str) -> Floats:
        weight = self._weights[f"{place}.weight"]
        flat = state.reshape(-1, weight.shape[1]) @ weight.T  # one product instead of one a sentence
        flat += self._weights[f"{place}.bias"]
        return flat.reshape(*state.shape[:-1], weight.shape[0])

    def _normed(self, state: Floats, place: str) -> Floats:
        centred = state - state.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + self._epsilon)
        return np.asarray(
            centred / spread * self._weights[f"{place}.weight"] + self._weights[f"{place}.bias"], dtype=np.float32
        )
