"""Which icons show which animal: names of icons by class.

A class is an icon's name, as most sets have it; a whole animal and its face
are two classes.  Beasts of fable, monkeys that cover their eyes or ears and
cats with a mood are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

_CLASSES = """
    ant baby-chick badger bat bear beaver beetle bird bison black-bird
    black-cat blowfish boar bug butterfly camel cat cat-face chicken chipmunk
    cockroach cow cow-face crab cricket crocodile deer dodo dog dog-face
    dolphin donkey dove duck eagle elephant ewe fish flamingo fly fox frog
    front-facing-baby-chick giraffe goat goose gorilla guide-dog hamster
    hatching-chick hedgehog hippopotamus honeybee horse horse-face jellyfish
    kangaroo koala lady-beetle leopard lion lizard llama lobster mammoth
    monkey monkey-face moose mosquito mouse mouse-face octopus orangutan otter
    owl ox oyster panda parrot peacock penguin pig pig-face polar-bear poodle
    rabbit rabbit-face raccoon ram rat rhinoceros rooster sauropod scorpion
    seal service-dog shark shrimp skunk sloth snail snake spider
    spouting-whale squid swan t-rex tiger tiger-face tropical-fish turkey
    turtle two-hump-camel water-buffalo whale wolf worm zebra
"""
# In any set: another name of a class.  Where a set has several drawings of
# it, the one here is that which shows as much of the animal as other sets do.
_ALSO = {
    "bear": "bear-face",
    "bird": "bird-2",
    "black-bird": "blackbird",
    "boar": "boar-1",
    "ewe": "ewe-1",
    "fox": "fox-face-2",
    "frog": "frog-face",
    "hamster": "hamster-face",
    "hatching-chick": "hatching-chick-1",
    "lion": "lion-face",
    "panda": "panda-face",
    "penguin": "penguin-2",
    "wolf": "wolf-face",
}
# Of one set: names that mean another class there, or that no other set has.
_OWN: Mapping[str, Mapping[str, str | None]] = {
    "fxemoji": {
        "babychick": "baby-chick",
        "bactriancamel": "two-hump-camel",
        "bunny": "rabbit-face",
        "cat": "cat-face",
        "catside": "cat",
        "cowface": "cow-face",
        "dog": "dog-face",
        "dogside": "dog",
        "doveofpeace": "dove",
        "dromedarycamel": "camel",
        "frontfacingchick": "front-facing-baby-chick",
        "hatchingchick": "hatching-chick",
        "horseface": "horse-face",
        "ladybeetle": "lady-beetle",
        "leopardside": "leopard",
        "monkeyface": "monkey-face",
        "mouse": "mouse-face",
        "mouseside": "mouse",
        "pandaface": "panda",
        "pig": "pig-face",
        "pigside": "pig",
        "sheep": "ewe",
        "spurtingwhale": "spouting-whale",
        "tiger": "tiger-face",
        "tigerside": "tiger",
        "tropicalfish": "tropical-fish",
        "waterbuffalo": "water-buffalo",
        "wolfface": "wolf",
    },
    "streamline-emojis": {"turkey": None},  # the country's flag
}
CLASSES = tuple(_CLASSES.split())
_SHARED = {name: name for name in CLASSES} | {
    other: name for name, other in _ALSO.items()
}


def meanings(style: str) -> dict[str, str]:
    """Map the names of a set's icons to the classes that they show."""
    table: dict[str, str | None] = {**_SHARED, **_OWN.get(style, {})}
    return {icon: name for icon, name in table.items() if name is not None}
