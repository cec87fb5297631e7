package main

import (
	"context"

	"tincan/config"
	"tincan/phone/media/kernel"
)

// kernel tells whether media can be relayed inside the kernel. Nothing is wrong
// where they cannot: they take more of the processor.
func (x *examination) kernel(context.Context) {
	const check = "kernel relay"
	if x.cfg.RTP.Kernel == config.KernelOff {
		x.ok(check, `[rtp] kernel is "off": all media go through the process`)
		return
	}
	if x.server != nil {
		x.ok(check, "of the running server: "+x.server.Kernel)
		return
	}
	if err := kernel.Try(); err != nil {
		x.warn(check, "calls are relayed by the process, which takes more of the processor: "+err.Error(),
			`run it as root or with CAP_BPF and CAP_NET_ADMIN, on Linux 5.11 or later; or set kernel = "off" in [rtp] to be told no more`)
		return
	}
	if err := kernel.TryPins(); err != nil {
		x.warn(check, "works, but what it carries ends when the process does: "+err.Error(),
			"run it as root, with a bpf file system at /sys/fs/bpf (mount -t bpf bpf /sys/fs/bpf)")
		return
	}
	x.ok(check, "works: calls that need nothing but to be handed on will not take the processor's time")
}
