"""Which icons show which object: names of icons by class.

The names are regular expressions, for whole names; the classes are among
those of PASCAL VOC.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_TONE = "(-(light|medium-light|medium|medium-dark|dark)-skin-tone)?"
_DOING = """
    artist astronaut biking construction-worker cook dancing detective farmer
    firefighter guard health-worker judge mechanic office-worker pilot
    police-officer running scientist singer student surfing swimming teacher
    technologist walking (white|red|curly|blond)-hair beard bald standing
    kneeling golfing shrugging raising-hand wearing-turban in-tuxedo
    in-steamy-room playing-handball
"""
_NAMES = {
    "aeroplane": """
        (small-)?airplane airplane-(departure|arrival)
        (up|northeast)-pointing-airplane up-pointing-(military|small)-airplane
    """,
    "bicycle": "bicycle kick-scooter",
    "bird": """
        baby-?chick bird bird-[12] black-?bird chicken dodo dove doveofpeace
        duck eagle flamingo front-facing-baby-chick frontfacingchick goose owl
        parrot peacock penguin penguin-[12] pigeon rooster swan turkey
    """,
    "boat": "sailboat speedboat motor-boat ferry canoe (passenger-)?ship",
    "bottle": "bottle-with-popping-cork (baby|lotion)-bottle sake",
    "bus": "(oncoming-|trolley|mini)?bus",
    "car": """
        (oncoming-?)?(automobile|taxi) (oncoming-)?police-car racing-car
        sport-utility-vehicle racecar recreationalvehicle
    """,
    "cat": """
        (black-|hacker-)?cat cat-face catside cat-with-(tears-of-joy|wry-smile)
        (crying|grinning|kissing|pouting|weary)-cat .*-cat-face
        grinning-cat-with-smiling-eyes smiling-cat-with-heart-eyes
        cat-face-with-.* smiling-cat-face.*
    """,
    "chair": "chair seat",
    "cow": "cow cow-face ox water-buffalo",
    "dog": "dog dog-face (guide|service)-dog poodle",
    "horse": "horse horse-face",
    "motorbike": "motorcycle motor-scooter",
    "person": f"""
        (man|woman|person|boy|girl|child){_TONE}
        (older-person|(old|older)-(man|woman)|pregnant-woman){_TONE}
        (prince|princess|bride-with-veil){_TONE}
        (man|woman|person)-({"|".join(_DOING.split())}){_TONE}
    """,
    "pottedplant": "potted-plant",
    "sheep": "ewe ram",
    "sofa": "couch-and-lamp",
    "train": """
        (steam-)?locomotive train (high-speed|bullet)-train metro tram(-car)?
        monorail light-rail railway-car
    """,
    "tvmonitor": "television desktop-computer",
}
NAMES: Mapping[str, re.Pattern[str]] = {
    label: re.compile("|".join(names.split()))
    for label, names in _NAMES.items()
}
MISNAMED = frozenset({"streamline-emojis:turkey"})  # the country's flag
