import threading
import time

from gem_backend.in_turn import InTurn


def wait_for(num_in_line, turn):
    deadline = time.monotonic() + 20
    while turn.num_in_line != num_in_line:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_who_asks_again_stands_behind_those_who_wait():
    turn, order, threads = InTurn(), [], []

    def once(name):
        with turn:
            order.append(name)

    with turn:
        for place, name in enumerate("abc"):
            threads.append(threading.Thread(target=once, args=(name,)))
            threads[-1].start()
            wait_for(place + 2, turn)
    once("again")
    for thread in threads:
        thread.join()
    assert order == ["a", "b", "c", "again"]
    assert turn.num_in_line == 0


def test_one_at_a_time_holds_it():
    turn, inside, most = InTurn(), [], []

    def work():
        for _ in range(20):
            with turn:
                inside.append(None)
                time.sleep(0.0005)  # who may, comes in now
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (max(most), len(most)) == (1, 80)
