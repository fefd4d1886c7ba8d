"""Sentence vectors: with the language model where it is installed, with words alone everywhere."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from afield.provisioning.embedding.embedder import Embedder, Remembering, best_embedder, likeness
from afield.provisioning.embedding.files import ModelFilesError, model_folder, read_weights
from afield.provisioning.embedding.gelu import erf, gelu
from afield.provisioning.embedding.minilm import MiniLm
from afield.provisioning.embedding.words import WordVectors
from afield.provisioning.industries.library import industries
from afield.provisioning.research.industry import rank

LABELLED = {
    "retail": (
        "We sell handmade shoes and leather bags online and in twelve shops.",
        "Fresh groceries, fruit and vegetables at low prices in a store near you.",
        "Order sofas, lamps and carpets with delivery within a week.",
        "Your neighbourhood bookshop, now with click and collect.",
    ),
    "restaurant": (
        "Sushi and ramen, eat in or take away.",
        "Reserve a table and taste our chef's seasonal dishes.",
        "Forty burger bars from coast to coast.",
        "Our bakery cafe serves sandwiches, soup and flat whites all day.",
    ),
    "banking": (
        "Home loans, credit and savings for everyone.",
        "Send money abroad and pay with your phone.",
        "We help families invest and retire well.",
        "Open a checking account in five minutes.",
    ),
    "insurance": (
        "Protect your car and your home from nine dollars a month.",
        "File a claim from your phone and follow it.",
        "Life cover and pensions from a mutual society.",
        "We underwrite cyber risk for small companies.",
    ),
    "software": (
        "The developer platform for deploying web applications.",
        "CRM that your sales team will like.",
        "Spend less time on payroll: accounting in the browser.",
        "We find bugs in your code before your users do.",
    ),
    "travel": (
        "Sleep in a tree house with a view of the valley.",
        "Cheap flights, trains and weekend trips.",
        "River cruises with guides who know their history.",
        "Vacation homes on the coast for families and dogs.",
    ),
    "hospital": (
        "Surgery, intensive care and a birth centre for the county.",
        "Find a physician and make an appointment.",
        "Dentists who take their time.",
        "Physiotherapy and recovery after injuries.",
    ),
    "education": (
        "Degrees in law, medicine and the arts.",
        "Learn Spanish with a private tutor.",
        "A kindergarten and primary school by the park.",
        "Coding bootcamps with job guarantee.",
    ),
    "logistics": (
        "We ship containers from Asia to Europe.",
        "Same-day courier in the whole city.",
        "Cold storage and distribution for food makers.",
        "Forty vans, one promise: your parcel is there by noon.",
    ),
    "manufacturing": (
        "Precision gears and bearings for wind turbines.",
        "We make packaging machines for the food industry.",
        "Injection moulding and tool making since 1958.",
        "Steel tubes, welded and drawn, from our own mill.",
    ),
    "energy": (
        "Switch to green electricity in five minutes.",
        "We build and run solar farms.",
        "Heat and water for two hundred thousand homes.",
        "Find a fast charger for your electric car.",
    ),
    "media": (
        "Watch thousands of films and shows for one price.",
        "Independent journalism, six days a week.",
        "Podcasts about crime, science and love.",
        "Radio stations for the whole north.",
    ),
    "telecom": (
        "Fibre internet for the countryside.",
        "SIM only deals with unlimited texts.",
        "Phone, internet and television in one contract.",
        "Roam like at home with our 5G network.",
    ),
    "gaming": (
        "Build your clan and fight for the throne, free on mobile.",
        "Indie studio of dreamy platformers.",
        "Slots, poker and bingo with a welcome bonus.",
        "The racing simulator the professionals train with.",
    ),
}
needs_model = pytest.mark.skipif(model_folder() is None, reason="the language model's files are not installed")


def hits(embedder: Embedder) -> float:
    """The share of sentences whose industry is ranked first, and not only by a draw."""
    right, embedder = 0, Remembering(embedder)
    for industry, sentences in LABELLED.items():
        for sentence in sentences:
            (first, score), (_, second), *_ = rank([sentence], industries(), embedder)
            right += first == industry and score > second
    return right / sum(map(len, LABELLED.values()))


def test_words_alone_find_most_industries() -> None:
    assert hits(WordVectors()) >= 0.6


@needs_model
def test_the_language_model_finds_nearly_all() -> None:
    assert hits(best_embedder()) >= 0.9


@needs_model
def test_the_language_model_gives_the_published_numbers() -> None:
    """The three sentences and their cosines are those of the quick start of the sentence-transformers documentation."""
    sentences = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    published = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    assert np.allclose(likeness(best_embedder(), sentences, sentences), published, atol=1e-4)


@needs_model
def test_the_company_a_sentence_is_computed_in_changes_nothing() -> None:
    sentences = [f"{'word ' * number}end" for number in range(40)]
    folder = model_folder()
    assert folder
    model = MiniLm(folder)
    together = model.vectors(sentences)
    alone = np.concatenate([model.vectors([one]) for one in sentences[::13]])
    assert np.allclose(together[::13], alone, atol=1e-5)


def test_the_error_function_is_right_to_the_last_digits() -> None:
    x = np.linspace(-8, 8, 4001, dtype=np.float32)
    assert np.abs(erf(x) - [math.erf(float(one)) for one in x]).max() < 1e-6
    assert np.abs(gelu(x) - [float(one) * (1 + math.erf(float(one) / math.sqrt(2))) / 2 for one in x]).max() < 2e-6


def test_common_words_are_likeness() -> None:
    words = WordVectors()
    alike = likeness(words, ["selling red shoes"], ["red shoes sold", "shoe", "blue hats", "the of and", ""])
    assert alike[0, 0] > alike[0, 1] > 0
    assert list(alike[0, 2:]) == [0, 0, 0]
    assert np.allclose(np.linalg.norm(words.vectors(["a sentence of several words"]), axis=1), 1)


def test_what_was_asked_before_is_remembered_up_to_a_number() -> None:
    class Counting(WordVectors):
        asked: ClassVar[list[str]] = []

        def vectors(self, sentences: Sequence[str]) -> NDArray[np.float32]:
            self.asked.extend(sentences)
            return super().vectors(sentences)

    remembering, plain = Remembering(Counting(), most=3), WordVectors()
    for sentences in (["a red shoe", "hats", "a red shoe"], ["hats", "gloves"], ["scarves", "hats"], ["a red shoe"]):
        assert np.array_equal(remembering.vectors(sentences), plain.vectors(sentences))
    assert Counting.asked == ["a red shoe", "hats", "gloves", "scarves", "a red shoe"]
    assert remembering.name == "words"


def test_no_sentences_give_no_rows() -> None:
    assert WordVectors().vectors([]).shape[0] == 0
    assert best_embedder().vectors([]).shape[0] == 0


def test_whichever_there_is_tells_a_hotel_from_a_bank() -> None:
    alike = likeness(best_embedder(), ["A hotel with rooms"], ["Rooms in a hotel by the sea", "A bank with accounts"])
    assert alike[0, 0] > alike[0, 1]


WIDTH, HEADS, LAYERS, INNER = 8, 2, 2, 12
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "shoes", "for", "hikers"]


def weights() -> dict[str, NDArray[np.float32]]:
    chance = np.random.default_rng(3)

    def some(*shape: int) -> NDArray[np.float32]:
        return chance.normal(0, 0.5, shape).astype(np.float32)

    made = {
        "embeddings.word_embeddings.weight": some(len(VOCABULARY), WIDTH),
        "embeddings.position_embeddings.weight": some(256, WIDTH),
        "embeddings.token_type_embeddings.weight": some(2, WIDTH),
        "embeddings.LayerNorm.weight": some(WIDTH),
        "embeddings.LayerNorm.bias": some(WIDTH),
    }
    for number in range(LAYERS):
        place = f"encoder.layer.{number}."
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            made |= {f"{place}{name}.weight": some(WIDTH, WIDTH), f"{place}{name}.bias": some(WIDTH)}
        made |= {
            f"{place}intermediate.dense.weight": some(INNER, WIDTH),
            f"{place}intermediate.dense.bias": some(INNER),
        }
        made |= {f"{place}output.dense.weight": some(WIDTH, INNER), f"{place}output.dense.bias": some(WIDTH)}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            made |= {f"{place}{name}.weight": some(WIDTH), f"{place}{name}.bias": some(WIDTH)}
    return made


def safetensors(tensors: dict[str, NDArray[np.float32]]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in tensors.items():
        end = len(data) + tensor.nbytes
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [len(data), end]}
        data += tensor.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


@pytest.fixture
def small_model(tmp_path: Path) -> Path:
    """A model of two narrow layers with made-up weights."""
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    config = {"num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "layer_norm_eps": 1e-12}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(safetensors(weights()))
    return tmp_path


def plainly(tokens: list[int], made: dict[str, NDArray[np.float32]]) -> list[float]:
    """The same model for one sentence, written with loops over numbers of 64 bits."""
    w = {name: tensor.astype(float).tolist() for name, tensor in made.items()}

    def dense(row: list[float], place: str) -> list[float]:
        return [
            sum(a * b for a, b in zip(row, line, strict=True)) + bias
            for line, bias in zip(w[f"{place}.weight"], w[f"{place}.bias"], strict=True)
        ]

    def norm(row: list[float], place: str) -> list[float]:
        mean = sum(row) / len(row)
        spread = math.sqrt(sum((x - mean) ** 2 for x in row) / len(row) + 1e-12)
        return [
            (x - mean) / spread * a + b for x, a, b in zip(row, w[f"{place}.weight"], w[f"{place}.bias"], strict=True)
        ]

    def plus(one: list[float], other: list[float]) -> list[float]:
        return [a + b for a, b in zip(one, other, strict=True)]

    kinds = w["embeddings.token_type_embeddings.weight"][0]
    rows = [
        norm(
            plus(plus(w["embeddings.word_embeddings.weight"][t], w["embeddings.position_embeddings.weight"][n]), kinds),
            "embeddings.LayerNorm",
        )
        for n, t in enumerate(tokens)
    ]
    for number in range(LAYERS):
        place = f"encoder.layer.{number}."
        q, k, v = ([dense(row, f"{place}attention.self.{one}") for row in rows] for one in ("query", "key", "value"))
        size = WIDTH // HEADS
        seen: list[list[float]] = [[] for _ in rows]
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            for at, row in enumerate(q):
                scores = [
                    math.exp(sum(a * b for a, b in zip(row[part], other[part], strict=True)) / math.sqrt(size))
                    for other in k
                ]
                seen[at] += [
                    sum(s * other[part][n] for s, other in zip(scores, v, strict=True)) / sum(scores)
                    for n in range(size)
                ]
        rows = [
            norm(plus(row, dense(one, f"{place}attention.output.dense")), f"{place}attention.output.LayerNorm")
            for row, one in zip(rows, seen, strict=True)
        ]
        inner = [
            [x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in dense(row, f"{place}intermediate.dense")] for row in rows
        ]
        rows = [
            norm(plus(row, dense(one, f"{place}output.dense")), f"{place}output.LayerNorm")
            for row, one in zip(rows, inner, strict=True)
        ]
    mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    length = math.sqrt(sum(x * x for x in mean))
    return [x / length for x in mean]


def test_the_model_computes_what_its_definition_says(small_model: Path) -> None:
    vectors = MiniLm(small_model).vectors(["red shoes for hikers", "hikers", "unknown words"])
    made = weights()
    expected = [plainly([2, *tokens, 3], made) for tokens in ([4, 5, 6, 7], [7], [1, 1])]
    assert np.allclose(vectors, expected, atol=1e-5)


def test_long_sentences_are_cut(small_model: Path) -> None:
    vectors = MiniLm(small_model).vectors(["red " * 1000, "red " * 254])
    assert np.allclose(vectors[0], vectors[1], atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"short", struct.pack("<Q", 10**12), struct.pack("<Q", 4) + b"nope"])
def test_broken_files_are_said_to_be_broken(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelFilesError, match=r"model\.safetensors cannot be read"):
        read_weights(file)
    with pytest.raises(ModelFilesError):
        MiniLm(tmp_path)
