// What a process needs and Swift does not give: its arguments as main got them, fork(2), and an end by signal that allocates
// nothing and takes no lock.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/// The arguments that main was given; Swift's own CommandLine reads /proc/self/cmdline, which need not be there.
int cprocess_argument_count(void);
char *const *cprocess_arguments(void);

/// The path that this program was started by (AT_EXECFN of getauxval(3)); NULL if the kernel does not tell.
const char *cprocess_started_path(void);

/// The path by which the loader found the library at this index of its list (dl_iterate_phdr(3)), the program loader itself among them;
/// empty for what is no file. Returns NULL behind the last.
const char *cprocess_library(int index);

/// Closes every descriptor above `last`: close_range(2), which takes Linux 5.9. Returns 0, or -1 with errno.
int cprocess_close_above(int last);

/// The numbers of a character device, without a question to the server of its file system (statx(2), AT_STATX_DONT_SYNC), so that
/// another user's file on FUSE does not hang the caller. Returns 0, or -1 if it is none or cannot be looked at.
int cprocess_character_device(int folder, const char *name, unsigned *major, unsigned *minor);

/// fork(2), with every signal held back in the child. For a process that has no other thread: Swift hides the call, because
/// a program with threads must not go on after it.
pid_t cprocess_fork(void);

/// prctl(PR_SET_CHILD_SUBREAPER, 1), which is variadic in C. Returns 0, or -1 with errno.
int cprocess_adopt_orphans(void);

/// From now on the signal ends this process at once with exit code 128 + its number, after its children are killed.
void cprocess_end_on(int signal);

/// A child that a signal's end must kill and reap. `waits`: what it holds must be free when we are gone, so its end is waited
/// for up to a second instead of 100 ms. Children beyond the 32nd are not kept: they end with their channel.
void cprocess_add_child(pid_t child, bool waits);
/// The signal that ends this child instead of SIGKILL: SIGTERM if it has to tidy up.
void cprocess_set_ending(pid_t child, int signal);
/// To be called before the child is reaped, while its PID cannot be another's.
void cprocess_remove_child(pid_t child);

/// Standard output is a terminal, whose colour is put back.
void cprocess_set_terminal(bool is_terminal);
/// The cursor stands behind a line on standard error.
void cprocess_set_mid_line(bool is_mid_line);
/// A signal is ending this process: what fails meanwhile must not be told.
bool cprocess_is_ending(void);
