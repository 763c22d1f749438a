"""Kinds of jobs: one module each, with what may be asked and how it is done."""

KINDS = {
    "fit": "aivc.service.jobs.job_kinds.fit_job:FIT",
    "propose": "aivc.service.jobs.job_kinds.propose_job:PROPOSE",
    "publish": "aivc.service.jobs.job_kinds.publish_job:PUBLISH",
    "screen": "aivc.service.jobs.job_kinds.screen_job:SCREEN",
    "search": "aivc.service.jobs.job_kinds.search_job:SEARCH",
    "verify": "aivc.service.jobs.job_kinds.verify_job:VERIFY",
}
