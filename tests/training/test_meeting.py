"""Ranks that are started again meet each other and nobody of an earlier attempt; who is lost has a name."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch.distributed import HashStore

from smoothlab.errors import RankLost
from smoothlab.training.first_end import RankEnd
from smoothlab.training.meeting import lost_rank, meeting

RESET = "[/gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:34442: Connection reset by peer. GLHF!"
SILENT = "[/gloo/transport/tcp/unbound_buffer.cc:129] Timed out waiting 10000ms for send operation to complete"


def meet_all(store, ranks=3, patience=20.0):
    with ThreadPoolExecutor(ranks) as pool:
        futures = [pool.submit(meeting, store, rank, ranks, patience) for rank in reversed(range(ranks))]
        return {future.result() for future in futures}


def test_each_attempt_has_a_name_of_its_own_that_all_ranks_agree_on():
    store = HashStore()
    names = [meet_all(store) for _ in range(3)]
    assert all(len(attempt) == 1 for attempt in names)
    assert len(set.union(*names)) == 3


def test_a_rank_that_died_while_it_waited_is_not_taken_for_the_one_that_comes():
    store = HashStore()
    with pytest.raises(RankLost, match=r"trainer.timeout_s = 0.1: rank 0 did not come"):
        meeting(store, 1, 2, 0.1)  # its word stays in the store
    with pytest.raises(RankLost, match=r"trainer.timeout_s = 0.3: rank 1 did not come"):
        meeting(store, 0, 2, 0.3)  # answers that word, which nobody confirms
    assert len(meet_all(store, ranks=2)) == 1


def test_rank_0_that_comes_late_finds_the_others_waiting():
    store = HashStore()
    names = []
    waiting = [threading.Thread(target=lambda r=r: names.append(meeting(store, r, 3, 20.0))) for r in (1, 2)]
    for thread in waiting:
        thread.start()
    names.append(meeting(store, 0, 3, 20.0))
    for thread in waiting:
        thread.join()
    assert len(names) == 3
    assert len(set(names)) == 1


def test_missing_ranks_are_named():
    with pytest.raises(RankLost, match=r"ranks 1, 2 did not come in this time"):
        meeting(HashStore(), 0, 3, 0.2)


def test_an_error_of_the_connections_names_the_rank_and_its_machine():
    here = socket.gethostname()
    assert lost_rank(RuntimeError(RESET), ["elsewhere.invalid", "localhost"]) == "rank 1 on localhost: connection reset"
    silent = lost_rank(RuntimeError(SILENT), [here, "elsewhere.invalid"])
    assert silent == "rank 1 on elsewhere.invalid: no answer within trainer.timeout_s"
    assert lost_rank(RuntimeError("mat1 and mat2 shapes cannot be multiplied"), [here, here]) == ""
    assert lost_rank(RuntimeError(SILENT), []) == ""


def test_a_lost_rank_is_one_line_in_the_status_and_has_no_trace():
    end = RankEnd.of(RuntimeError(SILENT), 0, hosts=[socket.gethostname(), "elsewhere.invalid"])
    assert (end.error, end.trace) == ("rank 1 on elsewhere.invalid: no answer within trainer.timeout_s", "")
