package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"tincan/bench/proc"
)

// startAsterisk runs an Asterisk with PJSIP and Dial alone.
// Debian 12 has none: it is measured where someone installed it.
func startAsterisk(l *lab, s setting) (*running, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(l.folder, "asterisk-")
	if err != nil {
		return nil, err
	}
	for name, text := range s.asteriskFiles(folder, address) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(folder, "asterisk.conf")
	r, err := await(address, func() (*proc.Process, error) {
		return proc.Start(folder, "asterisk", "-f", "-C", config)
	})
	if err != nil {
		return nil, err
	}
	// It answers before all modules are loaded; that is none of a call's cost.
	if output, err := exec.Command("asterisk", "-C", config, "-rx", "core waitfullybooted").CombinedOutput(); err != nil {
		r.Stop()
		return nil, fmt.Errorf("core waitfullybooted: %w\n%s", err, output)
	}
	return r, nil
}

// asteriskModules are what it needs to pass on calls and to register phones.
// Nothing else is loaded, so that the figure is of its calls alone, at its best.
var asteriskModules = []string{
	"app_dial", "bridge_native_rtp", "bridge_simple", "chan_pjsip", "codec_alaw", "codec_ulaw", "pbx_config",
	"res_pjproject", "res_rtp_asterisk", "res_sorcery_astdb", "res_sorcery_config", "res_sorcery_memory", "res_timing_timerfd",
	"res_pjsip", "res_pjsip_authenticator_digest", "res_pjsip_caller_id", "res_pjsip_endpoint_identifier_ip",
	"res_pjsip_endpoint_identifier_user", "res_pjsip_nat", "res_pjsip_pubsub", "res_pjsip_registrar", "res_pjsip_rfc3326", "res_pjsip_sdp_rtp",
	"res_pjsip_session",
}

// asteriskLamps are what lamps need beside.
var asteriskLamps = []string{"res_pjsip_outbound_publish", "res_pjsip_exten_state", "res_pjsip_dialog_info_body_generator"}

// asteriskFiles are its configuration files by name.
func (s setting) asteriskFiles(folder, address string) map[string]string {
	var directories strings.Builder
	directories.WriteString("[directories]\n")
	fmt.Fprintf(&directories, "astetcdir => %s\n", folder)
	for _, name := range []string{"astvarlibdir", "astdbdir", "astdatadir", "astspooldir", "astrundir", "astlogdir"} {
		fmt.Fprintf(&directories, "%s => %s\n", name, folder)
	}
	modules, dialplan := asteriskModules, "[load]\nexten => 9000,1,Dial(PJSIP/9000@load)\n"
	if len(s.watched) > 0 {
		modules = append(slices.Clone(modules), asteriskLamps...)
	}
	for _, number := range s.watched {
		dialplan += fmt.Sprintf("exten => %[1]s,hint,PJSIP/%[1]s\nexten => %[1]s,1,Dial(PJSIP/%[1]s)\n", number)
	}
	return map[string]string{
		"asterisk.conf":   directories.String(),
		"modules.conf":    "[modules]\nautoload=no\nload=" + strings.Join(modules, ".so\nload=") + ".so\n",
		"rtp.conf":        fmt.Sprintf("[general]\nrtpstart=%d\nrtpend=%d\n", rtpFirst, rtpFirst+portsPerCall*s.calls+sparePorts),
		"extensions.conf": dialplan,
		"pjsip.conf":      s.pjsip(address),
	}
}

func (s setting) pjsip(address string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[udp]\ntype=transport\nprotocol=udp\nbind=%s\n", address)
	if s.callee != "" {
		fmt.Fprintf(&b, "[load]\ntype=aor\ncontact=sip:%s\n", s.callee)
		b.WriteString("[load]\ntype=endpoint\naors=load\ncontext=load\ndisallow=all\nallow=ulaw\ndirect_media=no\n")
		b.WriteString("[load]\ntype=identify\nendpoint=load\nmatch=127.0.0.1\n")
	}
	for _, number := range s.extensions {
		fmt.Fprintf(&b, "[%[1]s]\ntype=auth\nusername=%[1]s\npassword=%[2]s\n", number, secret)
		fmt.Fprintf(&b, "[%[1]s]\ntype=aor\nmax_contacts=1\n", number)
		fmt.Fprintf(&b, "[%[1]s]\ntype=endpoint\nauth=%[1]s\naors=%[1]s\ncontext=load\ndisallow=all\nallow=ulaw\n", number)
	}
	return b.String()
}
