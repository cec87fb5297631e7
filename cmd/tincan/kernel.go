package main

import (
	"errors"

	"tincan/config"
	"tincan/phone/media"
	"tincan/phone/media/kernel"
)

// openKernel makes the relay inside the kernel, or says why there is none; both
// empty: it is not wanted. It is closed after the media whose streams it carries.
func (s *server) openKernel(cfg *config.Config) (relay media.Kernel, why string) {
	if cfg.RTP.Kernel == config.KernelOff {
		return nil, ""
	}
	folder, err := kernel.FolderFor(cfg.Data)
	if err != nil {
		s.log.Info("what the kernel relays will end with the process", "reason", err)
	}
	r, err := kernel.Open(kernel.Config{First: cfg.RTP.First, Last: cfg.RTP.Last, Folder: folder, Logger: s.log})
	if err != nil {
		s.log.Info("all media go through the process", "reason", err, "detail", errors.Unwrap(err))
		return nil, err.Error()
	}
	s.kernel = r
	s.onClose(r.Close)
	return r, ""
}

// kernelWord is the kernel relay in a status.
func (s *server) kernelWord() string {
	switch {
	case s.kernel != nil:
		return s.kernel.String()
	case s.cfg().RTP.Kernel == config.KernelOff:
		return "off"
	}
	return "none: " + s.noKernel
}
