/*
 * Lets user-mode Linux run where the processor has more registers than it knows of (AMX): tests/floor/links loads this
 * before it (LD_PRELOAD).
 *
 * It keeps the first part of a process's XSAVE area and writes that back, but the host takes only whole areas (EFAULT).
 * So the rest of the area is added, as it is. Nothing that runs in there has asked for AMX, so there is nothing in it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

long ptrace(enum __ptrace_request request, ...)
{
    static long (*real)(enum __ptrace_request, long, void *, void *);
    static char whole[65536];
    __builtin_va_list rest;
    __builtin_va_start(rest, request);
    long pid = __builtin_va_arg(rest, long);
    void *address = __builtin_va_arg(rest, void *);
    void *data = __builtin_va_arg(rest, void *);
    __builtin_va_end(rest);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "ptrace");
    if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE) {
        struct iovec *part = data, all = {whole, sizeof whole};
        if (!real(PTRACE_GETREGSET, pid, address, &all) && part->iov_len < all.iov_len) {
            memcpy(whole, part->iov_base, part->iov_len);
            return real(PTRACE_SETREGSET, pid, address, &all);
        }
    }
    return real(request, pid, address, data);
}
