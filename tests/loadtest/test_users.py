"""What the users say, how many there are, and what they take for a right answer."""

import pytest

from loadtest.users.checking import check, words_of
from loadtest.users.shapes import SHAPES, users_at
from loadtest.users.speech import Speech, Spoken

SPOKEN = Spoken("a.wav", 2.0, ("four", "two", "nine"), ("ash", "fir", "elm", "ash"))


def test_digits_may_be_written_as_figures():
    assert words_of("It is 42, nine.") == ["it", "is", "four", "two", "nine"]


def test_a_models_answer_may_have_some_errors_and_they_are_counted():
    checked = check("four two five", SPOKEN, simulated=False, max_error_rate=0.5)
    assert (checked.num_words, checked.num_wrong, checked.complaint) == (3, 1, "")
    wrong = check("five five five", SPOKEN, simulated=False, max_error_rate=0.5)
    assert wrong.complaint == "3 of 3 words"


def test_a_simulated_answer_is_exact_or_wrong():
    assert not check("ash fir elm ash", SPOKEN, simulated=True, max_error_rate=0.5).complaint
    assert check("ash fir elm elm", SPOKEN, simulated=True, max_error_rate=0.5).complaint


def test_a_simulated_stream_has_as_many_words_as_its_length_asks_for():
    stream = Spoken("a.pcm", 8.0, ("four",))
    for text, is_right in (("ash " * 16, True), ("ash " * 19, True), ("ash " * 4, False)):
        checked = check(text, stream, simulated=True, max_error_rate=0.0)
        assert (checked.complaint == "") == is_right


def test_a_stream_is_made_of_as_many_recordings_as_it_needs(tmp_path):
    recordings = tuple(Spoken(f"{name}.pcm", 4.0, (name,)) for name in "abc")
    for each in recordings:
        (tmp_path / each.name).write_bytes(each.words[0].encode())
    speech = Speech(tmp_path, (), recordings, recordings[0])
    said, pcm = speech.stream(2, at_least_s=9.0)
    assert (said.duration_s, said.words, pcm) == (12.0, ("c", "a", "b"), b"cab")
    assert speech.stream(1, at_least_s=0.0)[1] == b"b"


def test_shapes_keep_within_their_peak_and_end_in_time():
    for shape in SHAPES:
        counts = [users_at(shape, at, peak=100, length_s=60.0) for at in range(61)]
        assert counts[-1] is None
        assert all(1 <= count <= 100 for count in counts[:-1])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("steady", [100, 100, 100, 100]),
        ("step", [20, 40, 80, 100]),
        ("ramp", [1, 38, 77, 100]),
        ("burst", [20, 20, 20, 100]),
        ("soak", [1, 70, 70, 70]),
    ],
)
def test_each_shape_is_its_own(shape, expected):
    at_s = [0.0, 30.4, 62.0, 99.0]
    assert [users_at(shape, at, peak=100, length_s=100.0) for at in at_s] == expected


def test_without_a_length_the_peak_stays():
    assert users_at("ramp", 1e6, peak=7, length_s=0.0) == 7
