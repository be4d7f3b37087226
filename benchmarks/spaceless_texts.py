"""Made-up text of languages that put no spaces between words, the same for the same seed.

Nobody can read it: words are made of the real characters by simple rules, and drawn as often as
Zipf's law says. What a tokenizer sees is like the real thing: how many characters there are, how
long runs are, which marks they bear, and that hardly any white-space word comes twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import accumulate

WORDS = 30_000  # different ones of a language

# Of Japanese, the most frequent ones first.
_PARTICLES = "の に は を た が で と し て な も から ない こと など として まで という による"
_ENDINGS = (
    "する いる れる ある している された ました します において のような ていた られている "
    "なかった しなければならない ということである"
)

Draw = Callable[[int], list[str]]  # so many words


def documents(language: str, size: int, seed: int = 0) -> Iterator[str]:
    """Texts of 5 to 40 lines each, at least `size` bytes of them together.

    Args:
      language: One of `LANGUAGES`.
      size: In UTF-8.
      seed: Of the texts; the words of a language are always the same.
    """
    rng = random.Random(language)
    line = LANGUAGES[language](rng)
    rng.seed(seed)
    while size > 0:
        text = "\n".join(line() for _ in range(rng.randint(5, 40)))
        size -= len(text.encode())
        yield text


def _zipf(words: list[str], rng: random.Random) -> Draw:
    words = list(dict.fromkeys(words))
    weights = list(accumulate(1 / (rank + 3) for rank in range(len(words))))
    return lambda count: rng.choices(words, cum_weights=weights, k=count)


def _made(make: Callable[[], str], rng: random.Random) -> Draw:
    return _zipf([make() for _ in range(WORDS)], rng)


def _ideographs(codec: str, first: int, last: int, rng: random.Random) -> list[str]:
    """The common characters of a national standard, in an order of their own."""
    codes = (bytes([row, cell]) for row in range(first, last) for cell in range(0xA1, 0xFF))
    found = list("".join(code.decode(codec, "ignore") for code in codes))
    rng.shuffle(found)
    return found


def _chinese(rng: random.Random) -> Callable[[], str]:
    common = _zipf(_ideographs("gb2312", 0xB0, 0xD8, rng), rng)
    words = _made(lambda: "".join(common(rng.choice((1, 1, 2, 2, 2, 2, 3, 4)))), rng)

    def line() -> str:
        clauses = ["".join(words(rng.randint(3, 9))) for _ in range(rng.randint(2, 25))]
        if rng.random() < 0.2:
            clauses.append(f"{rng.randint(1, 2026)}年“{clauses.pop()}”")
        return "".join(x + rng.choice("，，，。。、；") for x in clauses[:-1]) + clauses[-1] + "。"

    return line


def _japanese(rng: random.Random) -> Callable[[], str]:
    common = _zipf(_ideographs("euc_jp", 0xB0, 0xD0, rng), rng)
    katakana = _zipf(list("ンスルトリアイラクドシロジフーレカタマテコプバメサッーデオニャウ"), rng)
    hiragana = _zipf(list("のいにはしるとてをがなたでかれらもすこりっきまあくよさだうけそつ"), rng)
    nouns = _made(lambda: "".join(common(rng.choice((1, 2, 2, 2, 3)))), rng)
    loans = _made(lambda: "".join(katakana(rng.randint(2, 8))), rng)
    stems = _made(lambda: "".join(common(1) + hiragana(rng.randint(1, 3))), rng)
    endings = _zipf([*_PARTICLES.split(), *_ENDINGS.split()], rng)

    def clause() -> str:
        parts = []
        for _ in range(rng.randint(2, 5)):
            parts += rng.choices((nouns, loans, stems), (6, 1, 2))[0](1) + endings(1)
        return "".join(parts)

    def line() -> str:
        clauses = [clause() for _ in range(rng.randint(2, 20))]
        return "".join(x + rng.choice("、、、。。。・") for x in clauses[:-1]) + clauses[-1] + "。"

    return line


def _phrases(words: Draw, between: str, end: str, rng: random.Random) -> Callable[[], str]:
    """Lines of phrases with spaces between them, as Thai and Khmer are written."""

    def line() -> str:
        phrases = [between.join(words(rng.randint(3, 16))) for _ in range(rng.randint(2, 20))]
        return " ".join(phrases) + end

    return line


def _thai(rng: random.Random) -> Callable[[], str]:
    consonants = _zipf(list("นรอกมงลสทวดยตคบปชหพจขผถศษซณฟธภฐญ"), rng)
    vowels = ("า", "ั", "ี", "ิ", "ะ", "ื", "ุ", "ู", "ำ", "็", "", "")
    before = ("", "", "", "", "เ", "แ", "ไ", "โ", "ใ")

    def syllable() -> str:
        first = rng.choice(before)
        onset = consonants(1)[0] + rng.choice(("", "", "", "", "ร", "ล", "ว"))
        vowel = "" if first else rng.choice(vowels)
        tone = rng.choice(("", "", "", "่", "้", "้", "๊"))
        last = "" if vowel in ("ะ", "ำ") else rng.choice(("", "น", "ง", "ก", "บ", "ม", "ด", "ย"))
        if vowel in ("า", "ะ", "ำ"):
            return first + onset + tone + vowel + last
        return first + onset + vowel + tone + last

    words = _made(lambda: "".join(syllable() for _ in range(rng.choice((1, 1, 2, 2, 3)))), rng)
    return _phrases(words, "", "", rng)


def _khmer(between: str) -> Callable[[random.Random], Callable[[], str]]:
    def language(rng: random.Random) -> Callable[[], str]:
        consonants = _zipf(list("រនកបមតសងលវយចជអទហពដខថផគញឆឡធភ"), rng)
        vowels = ("ា", "ា", "េ", "ុ", "ិ", "ី", "ោ", "ូ", "ើ", "ៃ", "ែ", "ំ", "ះ", "", "", "់")

        def syllable() -> str:
            onset = consonants(1)[0]
            if rng.random() < 0.25:
                onset += "្" + consonants(1)[0]
            return onset + rng.choice(vowels) + rng.choice(("", "ន", "ង", "ក", "រ", "ម", ""))

        words = _made(lambda: "".join(syllable() for _ in range(rng.choice((1, 1, 2, 2, 3)))), rng)
        return _phrases(words, between, "។", rng)

    return language


LANGUAGES: dict[str, Callable[[random.Random], Callable[[], str]]] = {
    "Chinese": _chinese,
    "Japanese": _japanese,
    "Thai": _thai,
    "Khmer": _khmer(""),
    "Khmer, words marked": _khmer("\u200b"),
}
