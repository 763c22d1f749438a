"""Kinds of jobs: one module each, with what may be asked and how it is done."""

KINDS = {
    "screen": "aivc.service.jobs.job_kinds.screen_job:SCREEN",
}
