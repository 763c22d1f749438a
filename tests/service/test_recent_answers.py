import threading
import time

import pytest

from aivc.service.recent_answers import RecentAnswers


def test_the_last_answers_are_kept_and_older_ones_computed_again():
    recent, made = RecentAnswers(most=2), []
    for asked in "abacab":
        assert recent.get(asked, lambda asked=asked: made.append(asked) or asked) == asked
    assert made == ["a", "b", "c", "b"]


def test_whoever_asks_the_same_waits_for_one_answer():
    recent, made = RecentAnswers(), []

    def slow():
        time.sleep(0.05)
        made.append(1)
        return "said"

    found = []
    threads = [threading.Thread(target=lambda: found.append(recent.get("a", slow))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, len(made)) == (["said"] * 3, 1)


def test_a_refusal_is_not_kept_and_an_answer_may_ask_for_another():
    recent = RecentAnswers()

    def refuse():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        recent.get("a", refuse)
    assert recent.get("a", lambda: recent.get("b", lambda: 1) + 1) == 2
