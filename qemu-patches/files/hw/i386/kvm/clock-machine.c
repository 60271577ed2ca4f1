/*
 * Machine types with guest-clock=on
 *
 * Each versioned PC has one beside it that differs in this property alone.  So
 * management software turns it on by what it sends to a destination anyway, and
 * a QEMU without it is told apart before anything is started.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "system/kvm.h"
#include "system/qtest.h"
#include "hw/i386/kvm/clock-compat.h"
#include "hw/i386/kvm/clock-machine.h"

#define WITH_GUEST_CLOCK "-clockferry"

#if defined(CONFIG_KVM) && defined(CONFIG_INT128_TYPE)

static GlobalProperty kvmclock_machine_props[] = {
    { "kvmclock", "guest-clock", "on" },
};

static MachineClass *kvmclock_machine_base(MachineClass *mc)
{
    return MACHINE_CLASS(object_class_get_parent(OBJECT_CLASS(mc)));
}

static void kvmclock_machine_init(MachineState *machine)
{
    MachineClass *mc = MACHINE_GET_CLASS(machine);

    if (!kvm_enabled() && !qtest_enabled()) {
        warn_report("machine type %s carries a guest's clocks only with KVM; "
                    "without, it is like %s", mc->name,
                    kvmclock_machine_base(mc)->name);
    }
    kvmclock_machine_base(mc)->init(machine);
}

/* Everything else is the base's already, as QOM copies it. */
static void kvmclock_machine_class_init(ObjectClass *oc, CLASS_DATA *data)
{
    MachineClass *mc = MACHINE_CLASS(oc);
    GPtrArray *base_props = kvmclock_machine_base(mc)->compat_props;

    mc->init = kvmclock_machine_init;
    mc->alias = NULL;
    mc->is_default = false;
    /* The last one counts. */
    g_ptr_array_extend(mc->compat_props, base_props, NULL, NULL);
    compat_props_add(mc->compat_props, kvmclock_machine_props,
                     G_N_ELEMENTS(kvmclock_machine_props));
}

void kvmclock_register_machine(const TypeInfo *base)
{
    const int length = strlen(base->name) - strlen(TYPE_MACHINE_SUFFIX);
    g_autofree char *name = g_strdup_printf("%.*s" WITH_GUEST_CLOCK
                                            TYPE_MACHINE_SUFFIX,
                                            length, base->name);
    const TypeInfo info = {
        .name       = name,
        .parent     = base->name,
        .class_init = kvmclock_machine_class_init,
    };

    type_register_static(&info);
}

const char *kvmclock_machine_guest_name(MachineClass *mc)
{
    return g_str_has_suffix(mc->name, WITH_GUEST_CLOCK)
           ? kvmclock_machine_base(mc)->name : mc->name;
}

#else

/* There are no clocks to carry. */
void kvmclock_register_machine(const TypeInfo *base)
{
}

const char *kvmclock_machine_guest_name(MachineClass *mc)
{
    return mc->name;
}

#endif
