"""What can go wrong at the edges. Every message says what to do about it.

ConnectorError
├── EngineError        an embedded engine cannot be fetched, started or stopped
├── SettingsError      a setting is missing, malformed or contradicts another
├── ProvisionError     a cluster's topics are not what the contracts say
├── KafkaUnavailable   Kafka did not acknowledge in time; the same message may be sent again
├── KafkaRefused       Kafka will never take this message
├── SubmissionRefused  the bus does not take a list of events; the message is its own
├── ReadRefused        the bus does not answer a read; the message is its own
├── PartnerAway, PartnerRefuses, PartnerGone      a partner does not take something (connectors/channel.py)
├── Unreadable         what a partner sent cannot be understood
├── PaperUnreadable, PaperRefused                 a paper of a ferry is damaged, or not what it says
├── FileMissing, FileSpoilt                       an attachment is not there, or not what its digest says
├── FileRefused        the bus does not take or give an attachment; the message is its own
├── FilesAway          the store of attachments does not answer (connectors/files/store.py)
└── SpoolBusy          an attachment on its way in is being written by somebody else (connectors/files/spool.py)
"""


class ConnectorError(Exception):
    """Any fault at the edge of the system."""


class EngineError(ConnectorError):
    """An embedded engine cannot be fetched, started or stopped."""


class SettingsError(ConnectorError, ValueError):
    """A setting is missing, malformed or contradicts another."""


class ProvisionError(ConnectorError):
    """A cluster's topics are not what the contracts say."""


class KafkaUnavailable(ConnectorError):
    """Kafka did not acknowledge within the deadline; the same message may be sent again."""


class KafkaRefused(ConnectorError):
    """Kafka will not take this message, now or later: too large, no such topic, not allowed."""


class SubmissionRefused(ConnectorError):
    """The bus does not take a list of events as a whole: malformed, or too long."""


class ReadRefused(ConnectorError):
    """The bus does not answer a read: nothing there for this agency, or a wrong question."""


class Unreadable(ConnectorError, ValueError):
    """What a partner sent cannot be understood: why, in words without any of its values."""


class FileRefused(ConnectorError):
    """The bus does not take or give an attachment: not for this agency, too large, not there yet."""
