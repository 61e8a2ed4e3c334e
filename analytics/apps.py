from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save


class AnalyticsConfig(AppConfig):
    name = "analytics"

    def ready(self) -> None:
        from analytics import prices
        from analytics.models import ModelPrice

        for signal in (post_save, post_delete):
            signal.connect(prices.prices_changed, sender=ModelPrice)
