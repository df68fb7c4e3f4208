#define _GNU_SOURCE // for errnos that POSIX does not have
#include "must.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// clang-format off
#define NAME(error) case error: return #error
// clang-format on

const char *errno_name(int error)
{
    switch (error) {
        NAME(E2BIG);
        NAME(EACCES);
        NAME(EADDRINUSE);
        NAME(EADDRNOTAVAIL);
        NAME(EAFNOSUPPORT);
        NAME(EAGAIN); // and EWOULDBLOCK
        NAME(EALREADY);
        NAME(EBADF);
        NAME(EBADMSG);
        NAME(EBUSY);
        NAME(ECHILD);
        NAME(ECONNABORTED);
        NAME(ECONNREFUSED);
        NAME(ECONNRESET);
        NAME(EDEADLK);
        NAME(EDESTADDRREQ);
        NAME(EDOM);
        NAME(EDQUOT);
        NAME(EEXIST);
        NAME(EFAULT);
        NAME(EFBIG);
        NAME(EHOSTDOWN);
        NAME(EHOSTUNREACH);
        NAME(EILSEQ);
        NAME(EINPROGRESS);
        NAME(EINTR);
        NAME(EINVAL);
        NAME(EIO);
        NAME(EISCONN);
        NAME(EISDIR);
        NAME(ELOOP);
        NAME(EMFILE);
        NAME(EMLINK);
        NAME(EMSGSIZE);
        NAME(ENAMETOOLONG);
        NAME(ENETDOWN);
        NAME(ENETRESET);
        NAME(ENETUNREACH);
        NAME(ENFILE);
        NAME(ENOBUFS);
        NAME(ENODEV);
        NAME(ENOENT);
        NAME(ENOEXEC);
        NAME(ENOLCK);
        NAME(ENOMEM);
        NAME(ENONET);
        NAME(ENOPROTOOPT);
        NAME(ENOSPC);
        NAME(ENOSYS);
        NAME(ENOTCONN);
        NAME(ENOTDIR);
        NAME(ENOTEMPTY);
        NAME(ENOTSOCK);
        NAME(ENOTTY);
        NAME(ENXIO);
        NAME(EOPNOTSUPP); // and ENOTSUP
        NAME(EOVERFLOW);
        NAME(EPERM);
        NAME(EPFNOSUPPORT);
        NAME(EPIPE);
        NAME(EPROTO);
        NAME(EPROTONOSUPPORT);
        NAME(EPROTOTYPE);
        NAME(ERANGE);
        NAME(EROFS);
        NAME(ESHUTDOWN);
        NAME(ESOCKTNOSUPPORT);
        NAME(ESPIPE);
        NAME(ESRCH);
        NAME(ESTALE);
        NAME(ETIMEDOUT);
        NAME(ETOOMANYREFS);
        NAME(EXDEV);
    default:
        return "unknown error";
    }
}

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

int must_at(const char *file, int line, const char *call, long value)
{
    if (value != -1)
        return (int)value;
    int error = errno;
    int name = (int)strcspn(call, "(");
    const char *arguments = call[name] == '(' ? "(...)" : "";
    dprintf(STDERR_FILENO, "%s:%d: %.*s%s: %s (%s)\n", last_component(file), line, name, call, arguments,
            errno_name(error), strerror(error));
    exit(1);
}

int must_say_at(const char *file, int line, int value, const char *words)
{
    if (value != -1)
        return value;
    dprintf(STDERR_FILENO, "%s:%d: %s\n", last_component(file), line, words);
    exit(1);
}
