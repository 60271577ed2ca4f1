/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libvirt's functions, looked up when they are first needed. */
#include <dlfcn.h>
#include <gio/gio.h>
#include <signal.h>
#include "calls.h"

LibvirtCalls libvirt;

static void *open_library(const char *name, GError **error)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);

    if (!library) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "libvirt's library can't be loaded: is libvirt "
                    "installed? %s", dlerror());
    }
    return library;
}

static gboolean find(void *library, const char *name, void *ret_pointer,
                     GError **error)
{
    void *symbol = dlsym(library, name);

    if (!symbol) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "this libvirt is too old: it has no %s", name);
        return FALSE;
    }
    memcpy(ret_pointer, &symbol, sizeof(symbol));
    return TRUE;
}

static gboolean find_all(void *library, void *qemu_library, GError **error)
{
#define FIND(name) && find(library, #name, &libvirt.name, error)
#define FIND_QEMU(name) && find(qemu_library, #name, &libvirt.name, error)
    return TRUE LIBVIRT_CALLS(FIND) LIBVIRT_QEMU_CALLS(FIND_QEMU);
#undef FIND
#undef FIND_QEMU
}

/* Otherwise libvirt prints each error itself. */
static void be_silent(void *opaque, virErrorPtr error)
{
    (void)opaque;
    (void)error;
}

gboolean libvirt_load(GError **error)
{
    static gboolean loaded;
    void *library, *qemu_library;

    if (loaded) {
        return TRUE;
    }
    library = open_library("libvirt.so.0", error);
    qemu_library = library ? open_library("libvirt-qemu.so.0", error) : NULL;
    if (!qemu_library || !find_all(library, qemu_library, error)) {
        return FALSE;
    }
    libvirt.virSetErrorFunc(NULL, be_silent);
    /* Its client doesn't: a daemon that ends would end us, without a word. */
    signal(SIGPIPE, SIG_IGN);
    /* This must come before the first connection. */
    libvirt.virEventRegisterDefaultImpl();
    loaded = TRUE;
    return TRUE;
}
