/* notify: tells the service manager how the daemon is, as sd_notify(3) does. Without one that wants
 * to know, nothing happens. Any thread, once notify_begin has returned. */
#ifndef ABLATE_SERVER_NOTIFY_H
#define ABLATE_SERVER_NOTIFY_H

/* Takes what the environment says out of it, so that no child believes to be meant. Before any
 * thread is started. */
void notify_begin(void);
/* One state: "READY=1", "STOPPING=1". */
void notify_state(const char *state);
/* The daemon lives: keeps the manager's watchdog quiet, if it has one. */
void notify_alive(void);

#endif
