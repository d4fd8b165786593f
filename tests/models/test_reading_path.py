"""Without gradients a network takes shorter ways; what it says stays the same."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from crnn_lib import CRNN, Alphabet
from crnn_lib.models import CRNNConfig, erase_padding, fold_marks, run_rnn, without_marks

SMALL = CRNNConfig(channels=(4, 4), strides=((2, 2), (2, 1)), hidden=6)


@pytest.mark.parametrize("widths", [(60,), (41,), (60, 60), (33, 33, 33), (60, 17, 42)])
@pytest.mark.parametrize("bidirectional_layers", [1, 2])
def test_a_network_says_the_same_with_and_without_gradients(widths, bidirectional_layers):
    torch.manual_seed(3)
    config = CRNNConfig(
        channels=SMALL.channels, strides=SMALL.strides, hidden=6, layers=bidirectional_layers
    )
    model = CRNN(config).eval()
    for norm in model.norms:  # of which neither scale nor shift is trivial
        nn.init.uniform_(norm.weight, -1, 1)
        nn.init.uniform_(norm.bias, -1, 1)
    images, widths = torch.rand(len(widths), 1, 32, 60), torch.tensor(widths)
    given = images.clone()
    plain, lengths = model(images, widths)
    with torch.inference_mode():
        short, same = model(images, widths)
    assert torch.equal(lengths, same)
    for line, other, length in zip(plain, short, lengths.tolist(), strict=True):
        torch.testing.assert_close(line[:length], other[:length], atol=1e-5, rtol=0)
    assert torch.equal(images, given)


@pytest.mark.parametrize("filler", [0.5, float("nan"), float("inf")])
def test_padding_is_erased_in_place_only_without_gradients(filler):
    x, widths = torch.full((2, 3, 4, 7), 2.0), torch.tensor([7, 4])
    x[1, ..., 4:] = filler
    expected = x.clone()
    expected[1, ..., 4:] = 0
    kept = x.clone()
    assert torch.equal(erase_padding(x, widths, in_place=True), expected)
    assert torch.equal(x.nan_to_num(), kept.nan_to_num())  # a gradient might be asked for
    with torch.no_grad():
        assert torch.equal(erase_padding(x, widths), expected)
        assert torch.equal(x.nan_to_num(), kept.nan_to_num())
        assert erase_padding(x, widths, in_place=True) is x
    assert torch.equal(x, expected)


@pytest.mark.parametrize("lengths", [(5, 5, 5), (9, 9, 9), (5, 9, 1)])
def test_lines_of_one_length_need_no_packing(lengths):
    torch.manual_seed(4)
    rnn = nn.GRU(3, 2, 2, batch_first=True, bidirectional=True)
    features, lengths = torch.randn(3, 9, 3), torch.tensor(lengths)
    packed = pack_padded_sequence(features, lengths, batch_first=True, enforce_sorted=False)
    expected = pad_packed_sequence(rnn(packed)[0], batch_first=True, total_length=9)[0]
    torch.testing.assert_close(run_rnn(rnn, features, lengths), expected)


@pytest.mark.filterwarnings("ignore:LSTM with projections")  # torch takes its slower way
@pytest.mark.parametrize(
    "kind, options",
    [
        (nn.GRU, {}),
        (nn.GRU, {"bias": False}),
        (nn.LSTM, {}),
        (nn.LSTM, {"proj_size": 2}),
        (nn.RNN, {"nonlinearity": "relu"}),
        (nn.GRU, {"dropout": 0.5}),  # which eval turns off
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_those_of_packed_lines(kind, options, dtype):
    torch.manual_seed(5)
    rnn = kind(3, 4, 2, batch_first=True, bidirectional=True, dtype=dtype, **options).eval()
    features = torch.randn(4, 9, 3, dtype=dtype, requires_grad=True)
    lengths = torch.tensor([5, 8, 1, 6])  # and one frame that no line reaches
    inputs = (features, *rnn.parameters())
    packed = pack_padded_sequence(features, lengths, batch_first=True, enforce_sorted=False)
    expected = pad_packed_sequence(rnn(packed)[0], batch_first=True, total_length=9)[0]
    states = run_rnn(rnn, features, lengths)
    torch.testing.assert_close(states, expected)
    weights = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(states, inputs, weights),
        torch.autograd.grad(expected, inputs, weights),
    )


def test_layers_drop_out_between_them_while_training():
    torch.manual_seed(6)
    rnn = nn.GRU(3, 4, 2, batch_first=True, bidirectional=True, dropout=0.5)
    features, lengths = torch.randn(4, 9, 3), torch.tensor([9, 8, 1, 6])
    assert not torch.equal(run_rnn(rnn, features, lengths), run_rnn(rnn, features, lengths))


def test_no_lines_have_no_states():
    rnn = nn.GRU(3, 2, batch_first=True, bidirectional=True)
    states = run_rnn(rnn, torch.zeros(0, 9, 3), torch.zeros(0, dtype=torch.long))
    assert states.shape == (0, 9, 4)


def test_the_alphabet_without_marks_is_that_of_the_folded_lattice():
    for blank in (0, 5, 12):
        alphabet = Alphabet("01234/56789-", blank=blank)
        folded = fold_marks(torch.zeros(2, 13).log_softmax(-1), alphabet)[1]
        assert without_marks(alphabet) == folded
        assert folded.characters == "0123456789"
    alphabet = Alphabet(("a", "./", "b"))  # a character of two code points is no mark
    assert without_marks(alphabet) == alphabet
    with pytest.raises(ValueError, match="marks only"):
        without_marks(Alphabet("./"))
