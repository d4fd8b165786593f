"""Make crnn_lib/language/words/english.txt.gz: the 20,000 commonest English words, with counts.

    python data/make_lexicon.py

Words are those of Debian's `wamerican`. They are counted in two free texts: `fortunes`, sayings and
jokes of many hands, and the explanations and examples of WordNet's dictionary, `wordnet-base`. A
fortune counts three times, because there are fewer of them and people write more like that.
It needs Debian's apt-get and dpkg-deb, and takes a minute. The texts themselves are not kept.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from crnn_lib import language

OUT = Path(language.__file__).parent / "words" / "english.txt.gz"
SIZE = 20_000
PACKAGES = ("wamerican", "fortunes", "wordnet-base")
FORTUNE = 3  # a fortune's words count so often
TOKEN = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*")
COARSE = re.compile(
    r"\((ethnic|religious) slur\)|\(slang\) vulgar|vulgar slang"
    r"|\b(obscene|vulgar|offensive|disparaging)( and \w+)?( slang)? (term|word|name)s?\b"
)
STEM = re.compile(r"('s|s)$")
PARTS = ("noun", "verb", "adj", "adv")


def unpack(folder: Path) -> Path:
    """Fetch the packages by name, and unpack them; return what would be /usr/share."""
    subprocess.run(["apt-get", "download", *PACKAGES], cwd=folder, check=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    return folder / "usr" / "share"


def glosses(share: Path) -> dict[tuple[str, str], str]:
    """(Part of speech, number of a meaning) -> its explanation and examples."""
    found = {}
    for part in PARTS:
        for line in (share / "wordnet" / f"data.{part}").read_text("latin-1").splitlines():
            if not line.startswith("  "):  # the licence
                found[part, line[:8]] = line.partition("|")[2]
    return found


def coarse_words(share: Path, meanings: dict[tuple[str, str], str]) -> set[str]:
    """Words whose commonest meaning the dictionary calls obscene or offensive: not for a class."""
    found = set()
    for part in PARTS:
        for line in (share / "wordnet" / f"index.{part}").read_text("latin-1").splitlines():
            if not line.startswith("  "):
                word, *_ = fields = line.split()
                commonest = fields[-int(fields[2])]
                if COARSE.search(meanings[part, commonest]):
                    found |= {word, STEM.sub("", word)}
    return found


def count(text: str, words: set[str]) -> Counter:
    """How often each word stands in a text: small where it can be, for a sentence begins large."""
    counts: Counter = Counter()
    for token in TOKEN.findall(text):
        for word in (token.lower(), token, token.capitalize()):
            if word in words:
                counts[word] += 1
                break
    return counts


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        share = unpack(Path(folder))
        meanings = glosses(share)
        listed = (share / "dict" / "american-english").read_text("utf-8").split()
        # of the single letters only two are words
        words = {w for w in listed if TOKEN.fullmatch(w) and (len(w) > 1 or w in ("a", "I"))}
        coarse = coarse_words(share, meanings)
        # with their plurals; a name may be spelled like one of them
        words = {w for w in words if w[0].isupper() or STEM.sub("", w) not in coarse}
        counts = count("\n".join(meanings.values()), words)
        for path in sorted((share / "games" / "fortunes").iterdir()):
            if path.suffix not in (".dat", ".u8"):
                for word, number in count(path.read_text("latin-1"), words).items():
                    counts[word] += FORTUNE * number
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:SIZE]
    text = "".join(f"{word} {number}\n" for word, number in ranked)
    OUT.write_bytes(gzip.compress(text.encode("utf-8"), 9, mtime=0))
    print(f"{OUT.name}: {len(ranked):,} words, {OUT.stat().st_size:,} bytes")
    print(f"The rarest counts {ranked[-1][1]}; left out as coarse: {len(coarse):,} words.")


if __name__ == "__main__":
    main()
