import logging
import threading
import warnings

from monai_landmarks.data.quiet import LOGGERS, quiet


def test_threads_that_overlap_leave_the_process_as_it_was():
    before = list(warnings.filters), [logging.getLogger(name).level for name in LOGGERS]
    first_in, second_in = threading.Event(), threading.Event()

    def second():
        first_in.wait(5)
        with quiet:
            second_in.set()
            leave.wait(5)

    leave = threading.Event()
    thread = threading.Thread(target=second)
    thread.start()
    with quiet:
        first_in.set()
        assert second_in.wait(5)
    # The first to enter has left, the second is still inside: silence.
    warnings.warn("a decoder's remark", stacklevel=1)
    assert logging.getLogger("pydicom").level > logging.CRITICAL
    leave.set()
    thread.join()
    assert (list(warnings.filters), [logging.getLogger(name).level for name in LOGGERS]) == before


def test_an_error_leaves_the_process_as_it_was():
    before = list(warnings.filters)
    try:
        with quiet, quiet:
            raise KeyError
    except KeyError:
        pass
    assert list(warnings.filters) == before
