"""The README's table of what one wants: every line of it runs as it stands, one after the other."""

from __future__ import annotations

import re
import string

import pytest
import torch
from conftest import ROOT

import crnn_lib
from crnn_lib import Alphabet, best_path, decoders, language, models
from crnn_lib.decoders import Hypothesis

WORDS = """\\data\\
ngram 1=6
ngram 2=2

\\1-grams:
-3\t<unk>
-99\t<s>\t-0.2
-0.6\t</s>
-0.7\tmy\t-0.1
-0.9\thand\t-0.1
-1.2\tLondon\t-0.1

\\2-grams:
-0.3\t<s> my
-0.2\tmy hand

\\end\\
"""
LETTERS = "\\data\\\nngram 1=30\n\\1-grams:\n-99 <s>\n-1 </s>\n" + "".join(
    f"-1.5 {c}\n" for c in ["<space>", "L", *string.ascii_lowercase]
)
CHARACTERS = string.ascii_letters + string.digits + string.punctuation + " "


def rows() -> list[tuple[str, list[str]]]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("### What you want\n")[2].partition("\nHow well")[0]
    table = re.findall(r"^\| (.+?) \| (`.+`.*) \|$", section, re.MULTILINE)
    assert section.count("\n| ") == len(table) + 1  # and the heading
    return [(wanted, re.findall(r"`(.+?)`", lines)) for wanted, lines in table]


def says(alphabet: Alphabet, text: str) -> torch.Tensor:
    """Logits of a line that says a text, (T, C): between two characters a blank."""
    label = [c for character in alphabet.encode(text) for c in (alphabet.blank, character)]
    logits = torch.zeros(len(label), alphabet.num_classes)
    logits[range(len(label)), label] = 9.0
    return logits


def test_every_line_of_the_table_runs(tmp_path, monkeypatch):
    (tmp_path / "words.arpa").write_text(WORDS)
    (tmp_path / "letters.arpa").write_text(LETTERS + "\\end\\\n")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for home in (crnn_lib, decoders, language, models):
        names |= {name: getattr(home, name) for name in home.__all__}
    alphabet = Alphabet(CHARACTERS)
    logits = says(alphabet, "my hand")
    names |= {"alphabet": alphabet, "frame_lengths": [len(logits)], "logits": logits[:, None]}
    names |= {"log_probs": logits.log_softmax(1)[None], "chunk": logits.log_softmax(1)}
    names |= {"labels": [*" adhmny"]}
    done = []
    for wanted, lines in rows():
        for line in lines:
            if line.startswith("export_onnx"):
                pytest.importorskip("onnx", reason="pip install onnx")
            exec(line, names)
        done.append(wanted)
        if lines[0].startswith("language = "):
            options = {"alphabet": alphabet, "language": names["language"]}
            (found,) = decoders.prefix_beam_search(names["log_probs"], **options)
            spoken = names["language"]
            spoken = spoken.over(CHARACTERS) if isinstance(spoken, language.Rule) else spoken
            assert spoken.accepts(found.text), wanted
            assert found.text == "my hand" or not spoken.accepts("my hand"), wanted
        if lines[0].startswith("found = "):
            (found,) = names["found"]
            assert isinstance(found, Hypothesis) and found.text == "my hand", wanted
    assert len(done) == 19
    assert len(names["lists"][0]) == 10
    assert [(w.text, w.start, w.end) for w in names["words"]] == [("my", 1, 4), ("hand", 7, 14)]
    assert names["progress"].settled + names["progress"].guess == "my hand"
    assert names["hypothesis"].text == "my hand"
    assert names["alphabet"] == Alphabet(" adhmny", blank=7)
    assert names["decoder"].decode(says(names["alphabet"], "my hand").log_softmax(1)) == "my hand"
    assert names["model"].alphabet.characters == "0123456789.-"
    assert (tmp_path / "network.onnx").stat().st_size > 10_000
    assert best_path(names["log_probs"], alphabet=alphabet)[0].text == "my hand"
