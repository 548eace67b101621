"""公安: referrals 涉嫌犯罪案件移送 over the gap between 政务外网 and 公安网."""
