"""Kinds of jobs: one module each, with what may be asked and how it is done."""

KINDS = {
    "fit": "aivc.service.jobs.job_kinds.fit_job:FIT",
    "propose": "aivc.service.jobs.job_kinds.propose_job:PROPOSE",
    "screen": "aivc.service.jobs.job_kinds.screen_job:SCREEN",
    "search": "aivc.service.jobs.job_kinds.search_job:SEARCH",
}
