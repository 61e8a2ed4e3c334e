from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save


class AnalyticsConfig(AppConfig):
    name = "analytics"

    def ready(self) -> None:
        from analytics import activity, prices
        from analytics.models import ModelPrice
        from conversations import signals

        for signal in (post_save, post_delete):
            signal.connect(prices.prices_changed, sender=ModelPrice)
        signals.written.connect(activity.note)
