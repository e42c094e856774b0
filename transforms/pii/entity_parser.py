# SPDX-License-Identifier: Apache-2.0
"""A spaCy entity recogniser run in a fifth of the time: same weights, same answers.

spaCy spends most of its time on the way: its parser takes the interpreter's lock about a hundred
times a token, and looks up and embeds each occurrence of a word anew. Here words are embedded once
per batch, the convolution is done in place, and the transitions (Lample et al. 2016, section 3, in
spaCy's greedy form without presets) are one compiled loop. Only recognisers of spaCy's standard
shape are taken: MultiHashEmbed, MaxoutWindowEncoder of window 1, TransitionBasedParser.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

BATCH_TOKENS = 2_000
"""Tokens whose vectors are made together: what a core's cache holds (measured: 1,000 to 4,000)."""

_EPSILON = np.float32(1e-8)
"""thinc's layernorm adds it to the variance."""
_OUT, _BEGIN, _IN, _LAST, _UNIT, _NEVER = range(6)
_KINDS = {"O": _OUT, "B": _BEGIN, "I": _IN, "L": _LAST, "U": _UNIT}

FAR = 20.0
"""Bound of a lead: where one side has no valid move at all."""
_FAR = np.float32(FAR)
_FEATURES = 3
"""Tokens that a state is made of: the next one, and the first and last of the open entity."""

Floats = npt.NDArray[np.float32]


class Reading(NamedTuple):
    """What the recogniser says of one text.

    Args:
        entities: (start, end, label) in characters, in order.
        starts: Where each token starts, in characters, int64 `[tokens]`.
        leads: How far PERSON leads the other labels there, in units of the score (a logit), from
            -FAR to FAR: float32 `[tokens]`. Empty if not known.
    """

    entities: list[tuple[int, int, str]]
    starts: npt.NDArray[np.int64]
    leads: Floats


class _Words(NamedTuple):
    """Distinct words of a batch, which spaCy's embedding takes for a document.

    Args:
        vocab: The pipeline's vocabulary.
        columns: Attribute values, uint64 `[words]`, by attribute.
    """

    vocab: Any
    columns: dict[Any, npt.NDArray[np.uint64]]
    size: int

    def __len__(self) -> int:
        return self.size

    def to_array(self, names: Any) -> npt.NDArray[np.uint64]:
        """Return the attributes named, as `spacy.tokens.Doc.to_array` does."""
        if isinstance(names, list | tuple):
            return np.stack([self.columns[name] for name in names], axis=1)
        return self.columns[names]


@njit(cache=True, nogil=True)
def _windows(x: Floats, out: Floats) -> None:
    """Write each row with its neighbours before and after it; zeros beyond the ends."""
    rows, width = x.shape
    for row in range(rows):
        for part in range(3):
            other = row + part - 1
            for at in range(width):
                value = x[other, at] if 0 <= other < rows else np.float32(0)
                out[row, part * width + at] = value


@njit(cache=True, nogil=True)
def _residual(x: Floats, pieces: Floats, bias: Floats, scale: Floats, shift: Floats) -> None:
    """Add to `x` the normalised maximum over the pieces of a maxout layer."""
    rows, width = x.shape
    count = pieces.shape[1] // width
    best = np.empty(width, np.float32)
    for row in range(rows):
        total = np.float32(0)
        for at in range(width):
            top = pieces[row, at * count] + bias[at * count]
            for piece in range(1, count):
                top = max(top, pieces[row, at * count + piece] + bias[at * count + piece])
            best[at] = top
            total += top
        mean = total / np.float32(width)
        spread = np.float32(0)
        for at in range(width):
            spread += (best[at] - mean) * (best[at] - mean)
        inverse = np.float32(1) / np.sqrt(spread / np.float32(width) + _EPSILON)
        for at in range(width):
            x[row, at] += (best[at] - mean) * inverse * scale[at] + shift[at]


@njit(cache=True, nogil=True)
def _decode(
    features: Floats,
    feature_bias: Floats,
    weights: Floats,
    bias: Floats,
    kinds: npt.NDArray[np.int8],
    labels: npt.NDArray[np.int32],
    blank: npt.NDArray[np.bool_],
    ends: npt.NDArray[np.int64],
    asked: int,
) -> tuple[npt.NDArray[np.int16], Floats]:
    """Return the move taken at each token, and by how much a label leads or trails there.

    Args:
        features: What each token adds to a state as next token, as first and as last token of the
            open entity: float32 `[tokens + 1, 3, hidden * pieces]`; row 0 stands for none.
        feature_bias: float32 `[hidden * pieces]`.
        weights: float32 `[moves, hidden]`.
        bias: float32 `[moves]`.
        kinds: Kind of each move.
        labels: Its label.
        blank: Whether a token is white space.
        ends: Where each text ends, in tokens.
        asked: The label of which the lead is wanted: the best score of its moves less the best of
            the others, float32 `[tokens]`.
    """
    moves, hidden = weights.shape
    count = feature_bias.shape[0] // hidden
    taken = np.empty(len(blank), np.int16)
    lead = np.empty(len(blank), np.float32)
    state, scores = np.empty(hidden, np.float32), np.empty(moves, np.float32)
    start = 0
    for end in ends:
        opened, label = -1, -1
        for token in range(start, end):
            first = 0 if opened < 0 else opened + 1
            last = 0 if opened < 0 else token
            for at in range(hidden):
                top = np.float32(-np.inf)
                for piece in range(at * count, (at + 1) * count):
                    value = features[token + 1, 0, piece] + features[first, 1, piece]
                    top = max(top, value + features[last, 2, piece] + feature_bias[piece])
                state[at] = top
            chosen, more = -1, token + 1 < end
            own = other = -_FAR
            for move in range(moves):
                kind = kinds[move]
                if opened >= 0:
                    valid = labels[move] == label and (kind == _LAST or (kind == _IN and more))
                elif kind == _OUT:
                    valid = True
                else:
                    valid = (kind == _UNIT or (kind == _BEGIN and more)) and not blank[token]
                if not valid:
                    continue
                score = bias[move]
                for at in range(hidden):
                    score += weights[move, at] * state[at]
                scores[move] = score
                if chosen < 0 or score > scores[chosen]:
                    chosen = move
                if labels[move] == asked:
                    own = max(own, score)
                else:
                    other = max(other, score)
            taken[token] = chosen
            lead[token] = min(max(own - other, -_FAR), _FAR)
            if kinds[chosen] == _BEGIN:
                opened, label = token, labels[chosen]
            elif kinds[chosen] == _LAST:
                opened = -1
        start = end
    return taken, lead


class EntityParser:
    """The entity recogniser of a spaCy pipeline.

    Args:
        nlp: A pipeline with a component `ner`; the others are not run.

    Raises:
        ValueError: The recogniser is not of spaCy's standard shape.
    """

    def __init__(self, nlp: Any) -> None:
        component = nlp.get_pipe("ner")
        model = component.model
        self._make, self._vocab, self._gemm = nlp.make_doc, nlp.vocab, model.ops.gemm
        try:
            tok2vec, _, linear = model.get_ref("tok2vec").layers
            self._embed, encode = tok2vec.get_ref("embed"), tok2vec.get_ref("encode")
            extract = next(node for node in self._embed.walk() if node.name == "extract_features")
            self._attributes = list(extract.attrs["columns"])
            self._pad = int(encode.attrs["pad"])
            self._layers = [_maxout_of(node) for node in encode.layers[0].layers]
            self._linear, self._linear_bias = linear.get_param("W"), linear.get_param("b")
            lower, upper = model.get_ref("lower"), model.get_ref("upper")
            self._lower = lower.get_param("W").reshape(-1, lower.get_dim("nI"))
            self._absent, self._lower_bias = (
                np.ravel(lower.get_param(key)) for key in ("pad", "b")
            )
            self._upper, self._upper_bias = upper.get_param("W"), upper.get_param("b")
            names = [component.moves.get_class_name(move) for move in range(len(self._upper))]
            standard = (
                lower.get_dim("nF") == _FEATURES
                and not model.attrs["unseen_classes"]
                and all(layer[0].shape[1] == 3 * len(layer[2]) for layer in self._layers)
            )
        except (AttributeError, KeyError, StopIteration, ValueError):
            standard = False
        if not standard:
            msg = "entity recogniser: expected spaCy's standard shape, got another: use it as it is"
            raise ValueError(msg)
        self._names = [name.partition("-")[2] for name in names]
        known = sorted(set(self._names))
        # "U-" forbids an entity at a token; only presets, which there are none of, allow it.
        self._kinds = np.array(
            [_NEVER if name == "U-" else _KINDS[name[0]] for name in names], np.int8
        )
        self._labels = np.array([known.index(name) for name in self._names], np.int32)
        self._person = known.index("PERSON") if "PERSON" in known else -1

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Return the entities of each text, and how much each token is like a person.

        Args:
            texts: Any number; those of a batch are embedded together.
        """
        out: list[Reading] = []
        batch: list[Any] = []
        size = 0
        for text in texts:
            batch.append(self._make(text))
            size += len(batch[-1])
            if size >= BATCH_TOKENS:
                out += self._entities(batch)
                batch, size = [], 0
        return out + self._entities(batch) if batch else out

    def _entities(self, docs: Sequence[Any]) -> list[Reading]:
        from spacy.attrs import IDX, IS_SPACE, LENGTH, NORM, ORTH  # noqa: PLC0415 (heavy)

        ends = np.cumsum([len(doc) for doc in docs], dtype=np.int64)
        if not ends[-1]:
            nothing = np.empty(0, np.int64), np.empty(0, np.float32)
            return [Reading([], *nothing) for _ in docs]
        names = [ORTH, NORM, IDX, LENGTH, IS_SPACE]
        table = np.concatenate([doc.to_array(names) for doc in docs if len(doc)])
        features = self._features(docs, table[:, :2], ends)
        taken, leads = _decode(
            features,
            self._lower_bias,
            self._upper,
            self._upper_bias,
            self._kinds,
            self._labels,
            table[:, 4] != 0,
            ends,
            self._person,
        )
        begins = table[:, 2].astype(np.int64)
        stops = begins + table[:, 3].astype(np.int64)
        kinds = self._kinds[taken]
        firsts = np.flatnonzero((kinds == _BEGIN) | (kinds == _UNIT))
        lasts = np.flatnonzero((kinds == _LAST) | (kinds == _UNIT))
        entities: list[list[tuple[int, int, str]]] = [[] for _ in docs]
        owners = np.searchsorted(ends, firsts, side="right")
        for owner, first, last in zip(
            owners.tolist(), firsts.tolist(), lasts.tolist(), strict=True
        ):
            label = self._names[taken[first]]
            entities[owner].append((int(begins[first]), int(stops[last]), label))
        edges = ends[:-1]
        return [
            Reading(*reading)
            for reading in zip(
                entities, np.split(begins, edges), np.split(leads, edges), strict=True
            )
        ]

    def _features(
        self, docs: Sequence[Any], words: npt.NDArray[np.uint64], ends: npt.NDArray[np.int64]
    ) -> Floats:
        """Return what each token adds to a state: float32 `[tokens + 1, 3, hidden * pieces]`."""
        rows = self._embedded(docs, words)
        width, tokens, pad = rows.shape[1], len(rows), self._pad
        # Rows of zeros keep the texts apart, as many as the layers look away.
        owner = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
        places = np.arange(tokens) + pad * (owner + 1)
        x = np.zeros((tokens + pad * (len(ends) + 1), width), np.float32)
        x[places] = rows
        window = np.empty((len(x), 3 * width), np.float32)
        for weights, bias, scale, shift in self._layers:
            _windows(x, window)
            _residual(x, self._gemm(window, weights, trans2=True), bias, scale, shift)
        vectors = self._gemm(x[places], self._linear, trans2=True) + self._linear_bias
        features = np.empty((tokens + 1, len(self._lower)), np.float32)
        features[0] = self._absent
        self._gemm(vectors, self._lower, trans2=True, out=features[1:])
        return features.reshape(tokens + 1, _FEATURES, -1)

    def _embedded(self, docs: Sequence[Any], words: npt.NDArray[np.uint64]) -> Floats:
        """Return the vector of each token; a word is embedded once."""
        from spacy.attrs import ORTH  # noqa: PLC0415 (heavy)

        # A word's form and its norm, which exceptions of the tokeniser set, decide all attributes.
        _, chosen, inverse = np.unique(
            words[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ words[:, 1],
            return_index=True,
            return_inverse=True,
        )
        wanted = [*self._attributes, ORTH]
        table = np.concatenate([doc.to_array(wanted) for doc in docs if len(doc)])[chosen]
        columns = {name: table[:, at].astype(np.uint64) for at, name in enumerate(wanted)}
        distinct = _Words(self._vocab, columns, len(chosen))
        embedded: Floats = self._embed.predict([distinct])[0]
        return embedded[inverse]


def _maxout_of(residual: Any) -> tuple[Floats, Floats, Floats, Floats]:
    """Return (weights, bias, scale, shift) of the maxout and the layernorm of a residual layer."""
    maxout = next(node for node in residual.walk() if node.name == "maxout")
    norm = next(node for node in residual.walk() if node.name == "layernorm")
    weights = maxout.get_param("W")
    flat = np.ascontiguousarray(weights.reshape(-1, weights.shape[-1]))
    return flat, np.ravel(maxout.get_param("b")), norm.get_param("G"), norm.get_param("b")
