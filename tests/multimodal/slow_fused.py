"""Slow oracles of the units that make one vector of text and picture: the score of one pair, or None."""

import math

import torch

from tests.multimodal.slow import adapted, cosine, dot, factor, linear, mean, norm, softmax, weighted
from tests.multimodal.slow_mimic import fused


def speaks(unit, mention):
    return bool(mention.words) and (bool(mention.pictures) or unit.settings.text_alone)


def zero(unit):
    return torch.zeros(unit.settings.hidden)


def sigmoid(number):
    return 1 / (1 + math.exp(-number))


def similar(a, b):
    return 0.0 if not a.any() or not b.any() else cosine(a, b)


# --- DZMNED


def lstm_last(lstm, steps, suffix):
    """The last state of one direction of an LSTM, a step at a time."""
    weights = [getattr(lstm, f"{kind}_l0{suffix}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    size = lstm.hidden_size
    state, cell = torch.zeros(size), torch.zeros(size)
    for step in steps:
        gates = weights[0] @ step + weights[2] + weights[1] @ state + weights[3]
        i, f, g, o = (gates[n * size : (n + 1) * size] for n in range(4))
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        state = o.sigmoid() * cell.tanh()
    return state


def letters(module, numbers):
    count = module.vectors.num_embeddings
    steps = [module.vectors.weight[1 + (number - 1) % (count - 1)] for number in numbers]
    return torch.cat([lstm_last(module.lstm, steps, ""), lstm_last(module.lstm, steps[::-1], "_reverse")])


def dzmned(unit, mention, entity):
    if not speaks(unit, mention) or not entity.words:
        return None
    sides = []
    for side, attention in ((mention, unit.of_mention), (entity, unit.of_entity)):
        vectors = [
            mean([linear(unit.picture, each) for each in side.pictures]) if side.pictures else None,
            linear(unit.text, side.text),
            letters(unit.letters, side.letters) if side.letters else None,
        ]
        numbers = linear(attention, torch.cat([zero(unit) if each is None else each for each in vectors]))
        there = [n for n in range(3) if vectors[n] is not None]
        weights = softmax([sigmoid(float(numbers[n])) for n in there])
        sides.append((weighted(weights, [vectors[n] for n in there]), zero(unit) if vectors[2] is None else vectors[2]))
    known = similar(linear(unit.known, sides[0][0]), sides[1][0])
    name = similar(linear(unit.lexical, sides[0][0]), sides[1][1])
    return factor(unit.scale) * (known + name) / 2


# --- GHMFC


def attended(queries, parts):
    """The mean over queries of what each attends to."""
    width = math.sqrt(len(parts[0]))
    return mean([weighted(softmax([dot(query, part) / width for part in parts]), parts) for query in queries])


def phrases(unit, words):
    made = []
    for t in range(len(words)):
        windows = []
        for size, layer in zip((1, 2, 3), unit.windows, strict=True):
            value = layer.bias.clone()
            for step in range(size):
                if t + step < len(words):
                    value = value + layer.weight[:, :, step] @ words[t + step]
            windows.append(value)
        made.append(torch.stack(windows).max(0).values.tanh())
    return made


def ghmfc(unit, mention, entity):
    if not mention.words or not mention.pictures or not entity.words:
        return None
    words = [linear(unit.word, word) for word in mention.words]
    patches = [linear(unit.patch, patch) for picture in mention.patches for patch in picture]
    levels = [words, phrases(unit, words)]
    read = linear(unit.read, torch.cat([attended(patches, level) for level in levels]))
    seen = linear(unit.seen, torch.cat([attended(level, patches) for level in levels]))
    gate = linear(unit.gate, torch.cat([read, seen])).sigmoid()
    vector = norm(unit.norm, gate * read.tanh() + (1 - gate) * seen.tanh())
    other = linear(unit.entity_text, entity.text)
    if unit.entity_picture is not None and entity.pictures:
        shown = [mean(patches) for patches in entity.patches] if unit.settings.entity_patches else entity.pictures
        other = other + mean([linear(unit.entity_picture, picture) for picture in shown])
    return factor(unit.scale) * cosine(vector, other)


# --- JMEL


def jmel(unit, mention, entity):
    if not speaks(unit, mention) or not entity.words:
        return None
    vectors = []
    for side in (mention, entity):
        picture = mean([linear(unit.picture, each) for each in side.pictures]) if side.pictures else unit.no_picture
        vectors.append(linear(unit.joint, torch.cat([linear(unit.text, side.text), picture]).tanh()))
    return factor(unit.scale) * cosine(*vectors)


# --- the cross-modality ranking, and DXR


def cross(unit, mention, entity):
    if not mention.pictures and not unit.settings.text_alone:
        return None
    forth = [cosine(linear(unit.text, mention.text), linear(unit.picture, each)) for each in entity.pictures if mention.words]
    back = [cosine(linear(unit.picture, each), linear(unit.text, entity.text)) for each in mention.pictures if entity.words]
    best = [max(direction) for direction in (forth, back) if direction]
    return factor(unit.scale) * sum(best) / len(best) if best else None


def dxr(unit, mention, entity):
    if not speaks(unit, mention) or not entity.words:
        return None
    rows = [
        [linear(unit.text, side.text)] + [linear(unit.picture, picture) for picture in side.pictures]
        for side in (mention, entity)
    ]
    return factor(unit.scale) * max(cosine(a, b) for a in rows[0] for b in rows[1])


# --- attention with high-quality pictures


def hq(unit, mention, entity):
    if not speaks(unit, mention) or not entity.words:
        return None
    query = fused(unit.fusion, mention.text, [p for each in mention.patches for p in each])
    width = math.sqrt(unit.settings.hidden)
    scores = []
    for parts, key, value, layer in (
        (entity.words, unit.word_key, unit.word_value, unit.word_norm),
        (entity.pictures, unit.picture_key, unit.picture_value, unit.picture_norm),
    ):
        if parts:
            weights = softmax([dot(query, linear(key, part)) / width for part in parts])
            scores.append(dot(query, norm(layer, weighted(weights, [linear(value, part) for part in parts]))) / width)
    return sum(scores) / len(scores)


# --- FBMEL


def fbmel(unit, mention, entity):
    """The mention's rows are the whole picture and the crop; here both exist, or only the first."""
    if not mention.pictures or not entity.pictures or not entity.words:
        return None
    pictures = [adapted(unit.adapter, picture) for picture in mention.pictures]
    pictures = [picture / math.sqrt(dot(picture, picture)) for picture in pictures]
    whole = weighted(softmax([float(unit.rows[place]) for place in mention.places]), pictures)
    best = max(cosine(whole, adapted(unit.adapter, picture)) for picture in entity.pictures)
    width, patches = math.sqrt(unit.settings.hidden), mention.patches[-1]
    prompts = []
    for prompt in unit.prompts:
        weights = softmax([dot(prompt, linear(unit.key, patch)) / width for patch in patches])
        prompts.append(weighted(weights, [linear(unit.value, patch) for patch in patches]))
    query = linear(unit.query, mention.text) if mention.words else zero(unit)
    context = weighted(softmax([dot(query, prompt) / width for prompt in prompts]), prompts)
    text = cosine(norm(unit.norm, query + context), linear(unit.entity_text, entity.text))
    return (factor(unit.whole_scale) * best + factor(unit.local_scale) * text) / 2


# --- M3EL


def vision(unit, mention, entity):
    scores = []
    width = math.sqrt(unit.settings.hidden)
    for own, patches in zip(mention.pictures, mention.patches, strict=True):
        for other in entity.pictures:
            coarse = factor(unit.scale) * cosine(adapted(unit.adapter, own), adapted(unit.adapter, other))
            weights = softmax([dot(linear(unit.query, other), linear(unit.key, patch)) / width for patch in patches])
            context = norm(unit.norm, weighted(weights, [linear(unit.value, patch) for patch in patches]))
            scores.append((coarse + dot(linear(unit.whole, other), context) / width) / 2)
    return max(scores, default=None)


def icl(unit, mention, entity):
    if not mention.words or not entity.words or not mention.pictures or not entity.pictures:
        return None
    text = cosine(adapted(unit.text, mention.text), adapted(unit.text, entity.text))
    pairs = [cosine(adapted(unit.picture, a), adapted(unit.picture, b)) for a in mention.pictures for b in entity.pictures]
    return (text + max(pairs)) / unit.settings.temperature / 2
