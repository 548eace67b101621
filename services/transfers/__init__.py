"""The registrar of transfers 案件移送 and referrals 行刑衔接."""
