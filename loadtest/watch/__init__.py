"""Dashboards and alerts in, each of their queries asked of a real Prometheus that scrapes a real
server under load, and the panels drawn.

server      a small server of everything, and a Prometheus that scrapes it
callers     its load: uploads, events, live streams, jobs, mistakes, too much, and lost replicas
questions   the queries of monitoring/, as Prometheus takes them
answers     what came of each
drawing     the panels, as one would see them; `page`: all of it, written down
"""
