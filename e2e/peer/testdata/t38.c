/* A fax machine on T.38, by spandsp: t38 send|receive PORT REMOTE-PORT FILE.tif
 *
 *   FILE.tif <-> spandsp's T.30 <-> T.38 packets <-> UDPTL <-> UDP of the loopback
 *
 * Prints "page of ROWS rows, HASH" of what it sent or has when the session is over,
 * and ends with 0 if that went well. UDPTL is written without redundancy (the
 * loopback loses nothing), and of what comes the primary packet alone is read. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <tiffio.h>
#include <spandsp.h>

enum { TICK_MS = 20, TICK_SAMPLES = 160, LONGEST_S = 120, PRIMARY_MAX = 127 };

struct machine {
	int socket;
	uint16_t seq;
	bool sends, over;
	int result;
};

static int transmit(t38_core_state_t *core, void *data, const uint8_t *packet, int length, int count)
{
	struct machine *m = data;
	uint8_t udptl[PRIMARY_MAX + 5];

	(void)core;
	if (length > PRIMARY_MAX)
		return -1; /* its length would take two octets */
	udptl[0] = m->seq >> 8;
	udptl[1] = m->seq;
	udptl[2] = length;
	memcpy(udptl + 3, packet, length);
	udptl[3 + length] = 0; /* recovery by secondary packets: */
	udptl[4 + length] = 0; /* none */
	for (int i = 0; i < count; i++)
		send(m->socket, udptl, length + 5, 0);
	m->seq++;
	return 0;
}

static void ended(t30_state_t *fax, void *data, int result)
{
	struct machine *m = data;
	(void)fax;
	m->over = true;
	m->result = result;
}

/* show prints the size of a file's page and a hash (FNV-1a) of its pixels, however
 * they are packed. */
static void show(const char *path)
{
	TIFF *file = TIFFOpen(path, "r");
	uint32_t rows = 0, hash = 2166136261u;
	uint8_t row[1728 / 8 + 64];

	if (file == NULL || TIFFScanlineSize(file) > (tmsize_t)sizeof row)
		return;
	TIFFGetField(file, TIFFTAG_IMAGELENGTH, &rows);
	for (uint32_t i = 0; i < rows && TIFFReadScanline(file, row, i, 0) == 1; i++)
		for (tmsize_t n = 0; n < TIFFScanlineSize(file); n++)
			hash = (hash ^ row[n]) * 16777619u;
	printf("page of %" PRIu32 " rows, %08" PRIx32 "\n", rows, hash);
	TIFFClose(file);
}

static int connected(int port, int remote)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
		return -1;
	at.sin_port = htons(remote);
	return connect(fd, (struct sockaddr *)&at, sizeof at) < 0 ? -1 : fd;
}

int main(int argc, char **argv)
{
	struct machine m = { 0 };
	uint8_t packet[2048];

	if (argc != 5)
		return 2;
	m.sends = strcmp(argv[1], "send") == 0;
	m.socket = connected(atoi(argv[2]), atoi(argv[3]));
	t38_terminal_state_t *terminal = t38_terminal_init(NULL, m.sends, transmit, &m);
	if (m.socket < 0 || terminal == NULL) {
		perror("t38");
		return 2;
	}
	t38_core_state_t *core = t38_terminal_get_t38_core_state(terminal);
	t30_state_t *fax = t38_terminal_get_t30_state(terminal);
	t38_set_t38_version(core, 0);
	t30_set_ecm_capability(fax, true);
	t30_set_supported_compressions(fax, T30_SUPPORT_T4_1D_COMPRESSION | T30_SUPPORT_T4_2D_COMPRESSION | T30_SUPPORT_T6_COMPRESSION);
	t30_set_phase_e_handler(fax, ended, &m);
	if (m.sends)
		t30_set_tx_file(fax, argv[4], -1, -1);
	else
		t30_set_rx_file(fax, argv[4], -1);
	for (int tick = 0; !m.over && tick < LONGEST_S * 1000 / TICK_MS; tick++) {
		struct timespec nap = { .tv_nsec = TICK_MS * 1000000L };
		ssize_t n;
		nanosleep(&nap, NULL);
		while ((n = recv(m.socket, packet, sizeof packet, MSG_DONTWAIT)) > 3) {
			int length = packet[2];
			if (length <= PRIMARY_MAX && length + 3 <= n)
				t38_core_rx_ifp_packet(core, packet + 3, length, packet[0] << 8 | packet[1]);
		}
		t38_terminal_send_timeout(terminal, TICK_SAMPLES);
	}
	t38_terminal_free(terminal);
	if (m.over && m.result == T30_ERR_OK)
		show(argv[4]);
	return m.over && m.result == T30_ERR_OK ? 0 : 1;
}
