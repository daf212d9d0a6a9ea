"""The process of the embedded broker: rumqttd, from the package iotcore, with one configuration file, until it is killed.

It says on standard error who came and what went wrong; never a payload, and never a password.
"""

import logging
import sys
from typing import Final

_SPAN: Final = "remote_link;"
"""The beginning of lines that only say where in its code the broker is."""


def main() -> int:
    """Run the broker that the file named on the command line describes."""
    from iotcore.iotcore import IotCoreBroker

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("rumqttd.server").setLevel(logging.INFO)
    # It reports each message that it routes as an error.
    logging.getLogger("rumqttd.router").setLevel(logging.CRITICAL)
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: not record.getMessage().startswith(_SPAN))
    broker = IotCoreBroker(config_path=sys.argv[1])
    try:
        broker.check_ports()
    except OSError as error:
        print(f"the port is already in use ({error})", file=sys.stderr)
        return 1
    broker.run_forever()
    return 1


if __name__ == "__main__":
    sys.exit(main())
