"""The slow oracle of DRIN: the scores of all candidates of one mention, since all are in one graph."""

import math

import torch

from tests.multimodal.slow import cosine, dot, linear, mean, norm, weighted


def vertices(unit, side):
    """The vertices that exist, by kind: 0 text, 1 picture."""
    made = {0: linear(unit.text, side.text)}
    if side.pictures:
        made[1] = mean([linear(unit.picture, picture) for picture in side.pictures])
    return made


def layer_step(layer, mention, entities):
    """New vertices of the mention and of the entities, from the old ones."""
    width = math.sqrt(len(mention[0]))
    weights = {}
    for a, own in mention.items():
        for k, entity in enumerate(entities):
            for b, other in entity.items():
                product = dot(linear(layer.query[a], own), linear(layer.key[b], other)) / width
                weights[a, k, b] = 1 / (1 + math.exp(-product - layer.kind[a, b].item()))

    def changed(vertex, neighbours):
        total = sum(weight for weight, _ in neighbours)
        message = weighted([weight / total for weight, _ in neighbours], [other for _, other in neighbours])
        return norm(layer.norm, vertex + (linear(layer.own, vertex) + linear(layer.other, message)).relu())

    new_mention = {
        a: changed(own, [(weights[a, k, b], other) for k, entity in enumerate(entities) for b, other in entity.items()])
        for a, own in mention.items()
    }
    new_entities = [
        {b: changed(other, [(weights[a, k, b], own) for a, own in mention.items()]) for b, other in entity.items()}
        for k, entity in enumerate(entities)
    ]
    return new_mention, new_entities


def drin(unit, mention, entities):
    if not mention.words or not (mention.pictures or unit.settings.text_alone):
        return [None] * len(entities)
    own, others = vertices(unit, mention), [vertices(unit, entity) for entity in entities]
    for layer in unit.layers:
        own, others = layer_step(layer, own, others)

    def vector(side):
        return side[0] if unit.settings.readout == "text" else torch.stack(list(side.values())).sum(0)

    return [math.exp(unit.scale.log.item()) * cosine(vector(own), vector(other)) for other in others]
