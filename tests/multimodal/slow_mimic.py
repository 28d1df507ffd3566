"""Slow oracles of the plain units and of those of MIMIC: the score of one pair, or None where a unit cannot say anything."""

import math

from tests.multimodal.slow import adapted, cosine, dot, factor, linear, mean, norm, softmax, weighted


def text(unit, mention, entity):
    if not mention.words or not entity.words:
        return None
    same = cosine(mention.text, entity.text) if unit.settings.cosine else dot(mention.text, entity.text)
    return same * (factor(unit.scale) if unit.scale is not None else unit.settings.scale)


def picture(unit, mention, entity):
    pairs = [(a, b) for a in mention.pictures for b in entity.pictures]
    scores = [factor(unit.scale) * cosine(adapted(unit.adapter, a), adapted(unit.adapter, b)) for a, b in pairs]
    return max(scores, default=None)


def tglu(unit, mention, entity):
    if not mention.words or not entity.words:
        return None
    width = math.sqrt(unit.settings.hidden)
    whole = factor(unit.scale) * cosine(adapted(unit.adapter, mention.text), adapted(unit.adapter, entity.text))
    rows = []
    for word in entity.words:
        query = linear(unit.query, word)
        weights = softmax([dot(query, linear(unit.key, other)) / width for other in mention.words])
        rows.append(weighted(weights, [linear(unit.value, other) for other in mention.words]))
    local = dot(linear(unit.whole, entity.text), norm(unit.norm, mean(rows))) / width
    return (whole + local) / 2


def dual(gate, patches, other, whole):
    context = linear(gate.context, norm(gate.before, patches + other))
    return norm(gate.after, linear(gate.gate, context).tanh() * context + whole)


def vdlu(unit, mention, entity):
    scores = []
    for i, own in enumerate(mention.pictures):
        for j, other in enumerate(entity.pictures):
            v_m, v_e = linear(unit.whole, own), linear(unit.whole, other)
            mean_m = mean([linear(unit.local, patch) for patch in mention.patches[i]])
            mean_e = mean([linear(unit.local, patch) for patch in entity.patches[j]])
            to_mention = dot(dual(unit.to_mention, mean_e, v_m, v_e), v_m)
            to_entity = dot(dual(unit.to_entity, mean_m, v_e, v_m), v_e)
            scores.append((to_mention + to_entity) / 2 / math.sqrt(unit.settings.hidden))
    return max(scores, default=None)


def fused(fusion, whole, parts):
    """The vector of a whole that attends to parts, each of which is projected first, as the paper says."""
    query = linear(fusion.query, whole)
    made = [linear(fusion.part, part) for part in parts]
    context = weighted(softmax([dot(query, part) for part in made]), made)
    return norm(fusion.norm, linear(fusion.gate, query).tanh() * query + context)


def cmfu(unit, mention, entity):
    if not all(side.words and side.pictures for side in (mention, entity)):
        return None
    m, e = (fused(unit.forth, side.text, [p for each in side.patches for p in each]) for side in (mention, entity))
    scores = [dot(m, e)]
    if unit.back is not None:
        m, e = (fused(unit.back, mean(side.pictures), side.words) for side in (mention, entity))
        scores.append(dot(m, e))
    return sum(scores) / len(scores) / math.sqrt(unit.settings.hidden)
