"""The registrar of notices 双向告知, bulletins 情况通报 and publicity 双公示."""
