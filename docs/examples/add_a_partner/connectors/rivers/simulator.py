"""A simulated platform of the river chiefs: they find something on a river, give the order, check what was done.

    python -m connectors.rivers.simulator --port 8790 --seed 7

POST /_acts {"action": "交办", "form": {…}} creates an order; {"action": "复核通过", "number": …} goes on with it.
"""

from typing import Final

from connectors.forms.counter import Counter, Moves
from connectors.simulation import Faults, run

_WITHDRAWN: Final = {"撤回": "已撤回"}

MOVES: Final[Moves] = {
    "": {"交办": "待接单", "告知": "来文"},
    "待接单": {"接单": "整改中", "退单": "退单待审", **_WITHDRAWN},
    "退单待审": {"维持": "待接单", "改派": "待接单", **_WITHDRAWN},
    "整改中": {"办结": "待复核", "退单": "退单待审", "改派": "待接单"},
    "待复核": {"复核通过": "待销号", "复核不通过": "整改中"},
    "待销号": {"销号": "已销号"},
    "已销号": {},
    "已撤回": {},
    "来文": {},
    "*": dict.fromkeys(("延期申请", "同意延期", "不同意延期", "告知", "签收"), "="),
}


class RiversSimulator(Counter):
    """The platform."""

    def __init__(self, faults: Faults | None = None) -> None:
        super().__init__("SYN-HZ-", MOVES, ["letters"], faults)


if __name__ == "__main__":
    run(RiversSimulator)
