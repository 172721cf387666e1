/* api: the steps of every endpoint, as routes.c lists them; a file a family. */
#ifndef ABLATE_SERVER_API_H
#define ABLATE_SERVER_API_H

#include "server/http/endpoint.h"

#define DECODE(name) int name(struct request *req, struct err *err)
#define STORED(name) int name(struct request *req, struct store *store, struct err *err)
#define ENCODE(name) int name(struct request *req, struct reply *reply, struct err *err)

/* submit.c */
DECODE(submit_decode);
STORED(submit_read);
STORED(submit_write);
ENCODE(submit_encode);
ENCODE(submit_finish);

/* seeds.c */
DECODE(seeds_decode);
STORED(seeds_read);
STORED(seeds_write);
ENCODE(seeds_encode);
ENCODE(seeds_finish);

/* experiments.c */
DECODE(experiments_list_decode);
STORED(experiments_list_read);
ENCODE(experiments_list_encode);
DECODE(experiment_patch_decode);
STORED(experiment_patch_write);
DECODE(experiment_id_decode);
DECODE(experiment_act_decode);
STORED(experiment_delete_write);
ENCODE(experiment_deleted_encode);
STORED(experiment_restore_write);
STORED(experiment_purge_write);
ENCODE(experiment_purge_encode);
ENCODE(experiment_purge_finish);
STORED(experiment_cancel_write);
ENCODE(experiment_cancel_encode);
ENCODE(experiment_cancel_finish);
ENCODE(experiment_encode);

/* wait.c */
extern const struct waiting experiment_waiting;
DECODE(experiment_get_decode);
ENCODE(experiment_get_encode);

/* runs.c */
DECODE(runs_list_decode);
STORED(runs_list_read);
ENCODE(runs_list_encode);
DECODE(run_id_decode);
DECODE(run_act_decode);
STORED(run_get_read);
ENCODE(run_get_encode);
STORED(run_cancel_write);
ENCODE(run_accepted_encode);
ENCODE(run_cancel_finish);
ENCODE(run_queued_finish);
STORED(run_retry_write);
STORED(run_verify_write);
DECODE(run_priority_decode);
STORED(run_priority_write);
ENCODE(run_changed_encode);
STORED(run_log_read);
ENCODE(run_log_encode);
STORED(run_artifacts_read);
ENCODE(run_artifacts_encode);
STORED(run_artifact_read);
ENCODE(run_artifact_encode);

/* acts.c */
DECODE(acts_decode);
STORED(acts_read);
STORED(acts_write);
ENCODE(acts_encode);
ENCODE(acts_finish);
DECODE(experiment_priority_decode);
STORED(experiment_priority_write);
ENCODE(experiment_priority_encode);

/* series.c */
DECODE(metrics_decode);
STORED(metrics_read);
ENCODE(metrics_encode);

/* export.c */
DECODE(export_decode);
STORED(export_read);
ENCODE(export_encode);

/* events.c */
DECODE(events_decode);
ENCODE(events_encode);

/* datasets.c */
DECODE(dataset_put_decode);
STORED(dataset_put_read);
STORED(dataset_put_write);
ENCODE(dataset_put_encode);
STORED(datasets_read);
ENCODE(datasets_encode);
DECODE(dataset_rename_decode);
STORED(dataset_rename_write);
ENCODE(dataset_rename_encode);
DECODE(dataset_name_decode);
STORED(dataset_delete_write);
ENCODE(dataset_deleted_finish);

/* dataset_preview.c */
DECODE(dataset_get_decode);
STORED(dataset_get_read);
ENCODE(dataset_get_encode);
DECODE(dataset_preview_decode);
STORED(dataset_preview_read);
ENCODE(dataset_preview_encode);

/* reports.c */
DECODE(report_decode);
STORED(report_read);
ENCODE(report_encode);
DECODE(figure_decode);
STORED(figure_svg_read);
STORED(figure_png_read);
ENCODE(figure_svg_encode);
ENCODE(figure_png_encode);

/* capsules.c */
DECODE(capsule_decode);
STORED(capsule_read);
ENCODE(capsule_encode);

/* query.c */
extern const struct waiting query_waiting;
DECODE(query_decode);
ENCODE(query_encode);

/* meta.c */
ENCODE(version_encode);
ENCODE(openapi_encode);
ENCODE(experiment_schema_encode);
ENCODE(healthz_encode);
ENCODE(presets_encode);
ENCODE(preset_encode);
ENCODE(metrics_list_encode);
STORED(queue_read);
ENCODE(queue_encode);
DECODE(queue_post_decode);
STORED(queue_post_write);
ENCODE(queue_post_encode);
ENCODE(queue_post_finish);

/* prometheus.c */
STORED(prometheus_read);
ENCODE(prometheus_finish);

/* session.c */
ENCODE(session_get);
DECODE(session_decode);
STORED(session_write);
ENCODE(session_create);
DECODE(session_end_decode);
STORED(session_end_write);
ENCODE(session_end);

#endif
