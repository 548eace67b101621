"""Kafka: the embedded broker, provisioning, producing, consuming.

aiokafka and kafka-python ship no types, so nothing outside this folder imports them.
"""
