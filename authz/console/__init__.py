"""The admin console: Django's admin on Gatehouse's own pages (docs/console.md).

One file a page. `site.py` is the frame and the navigation, `roles.py` who may do what, `model_admin.py` what all lists
and forms share. Rooms register their own pages with `@admin.register(Model, site=console)` in their `admin.py`.
"""
