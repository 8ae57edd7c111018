"""Every moment at which Python listens to signals, as a trace function finds them."""

import dis
import sys
from functools import cache


class Moments:
    """A trace function that does something at moments in some files, once at each that is not in `seen`.

    Python listens where a function begins, after calls, and where a loop goes back.
    """

    _BEFORE = ("RESUME", "CALL", "JUMP_BACKWARD")

    def __init__(self, seen, files, act):
        self._seen, self._files, self._act, self._last = seen, files, act, {}
        self.moment = None
        sys._getframe().f_trace_opcodes = True  # 3.12 asks before whether a frame ever did

    def __call__(self, frame, event, _argument):
        if frame.f_code.co_filename not in self._files:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            last = self._last.get(frame, "RESUME")
            self._last[frame] = opcodes(frame.f_code)[frame.f_lasti]
            moment = frame.f_code.co_name, frame.f_lineno, frame.f_lasti
            if last.startswith(self._BEFORE) and moment not in self._seen:
                self.moment = moment
                self._seen.add(moment)
                self._act()
        return self


@cache
def opcodes(code):
    return {step.offset: step.opname for step in dis.get_instructions(code)}
