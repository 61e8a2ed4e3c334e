"""Adapters to providers: plain asyncio and plain values, without Django."""
