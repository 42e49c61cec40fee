// SPDX-License-Identifier: GPL-2.0
/*
 * Has a firewall carry TCP connections whose both ends this program plays, and says what that took.
 *
 * usage: inject [OPTION]...
 *
 *   --netns NAME        the firewall's network namespace (default fw1); its taps are `lan` and `wan`
 *   --count N           connections (default 3000)
 *   --first N           number of the first one (default 0); a number stands for one tuple
 *   --window N          connections that are open at a time (default 1)
 *   --rate N            connections a second; 0, the default, is as fast as the processor can
 *   --only N            only the first N frames of each connection, of FRAMES
 *   --stray             the frames have another destination: what it costs to make them and throw them away
 *   --settle MS         milliseconds after the last frame in which the work that is left is counted too (default 500)
 *   --watch PID         also say how much of the processor's time this thread took; may be repeated
 *
 * A frame is one write to a tap, which the kernel forwards before the write returns; what it forwards goes to devices that
 * drop it. Frames are made before the clock starts. A connection is a handshake, 50 bytes to the server and 60 bytes back, and a
 * close that the client begins: FRAMES frames. The firewall gives it the address SNAT, and keeps its source port, because no other
 * connection to the same server has it.
 *
 * Prints one line of NAME=VALUE: connections, elapsed_ns until the last write returned, busy_ns, which is the time until the end of
 * the settling in which a processor had work, user_ns and system_ns of this program until its last write, and PID=NS for each
 * thread that is watched.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL
#define NS_PER_MS 1000000LL

/* Addresses in host order: clients are CLIENTS + 256 * n + 10, servers SERVERS + 10 + n. */
#define CLIENTS 0x0a010000u
#define CLIENTS_MAX 200u
#define SERVERS 0xc6120000u
#define SNAT 0xc0000201u
#define SERVER_PORT 80

/* Source ports of the connections to one server. */
#define PORT_MIN 1024u
#define PORTS 60000u

#define WATCHED_MAX 16

/* One frame of a connection. */
struct step {
	int from_client;
	uint8_t flags;
	uint16_t data;
	/* What the client and the server have sent so far, in sequence numbers. */
	uint32_t client_sent;
	uint32_t server_sent;
};

static const struct step steps[] = {
	{ 1, TH_SYN, 0, 0, 0 },
	{ 0, TH_SYN | TH_ACK, 0, 1, 0 },
	{ 1, TH_ACK, 0, 1, 1 },
	{ 1, TH_PUSH | TH_ACK, 50, 1, 1 },
	{ 0, TH_ACK, 0, 51, 1 },
	{ 0, TH_PUSH | TH_ACK, 60, 51, 1 },
	{ 1, TH_ACK, 0, 51, 61 },
	{ 1, TH_FIN | TH_ACK, 0, 51, 61 },
	{ 0, TH_FIN | TH_ACK, 0, 52, 61 },
	{ 1, TH_ACK, 0, 52, 62 },
};
#define FRAMES (sizeof(steps) / sizeof(steps[0]))
#define DATA_MAX 60

struct packet {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t data[DATA_MAX];
} __attribute__((packed));

/* The taps' addresses, which the benchmark gives them. */
static const uint8_t lan_mac[ETH_ALEN] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t wan_mac[ETH_ALEN] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t peer_mac[ETH_ALEN] = { 2, 0, 0, 0, 0, 99 };

static void die(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t sum(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint32_t total = 0;

	for (size_t i = 0; i < length; i++)
		total += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return total;
}

static uint16_t folded(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return htons(~total);
}

/* Makes the frame of connection `number` that `step` describes; returns its length. */
static size_t make(struct packet *p, uint32_t number, const struct step *step, int stray)
{
	uint32_t client = CLIENTS + 256 * (number % CLIENTS_MAX) + 10, server = SERVERS + 10 + number / PORTS;
	uint16_t port = PORT_MIN + number % PORTS, tcp_length = sizeof(p->tcp) + step->data;
	uint32_t client_seq = number * 2654435761u + step->client_sent, server_seq = number * 40503u + step->server_sent;

	memset(p, 0, sizeof(*p));
	memcpy(p->eth.h_dest, stray ? peer_mac : step->from_client ? lan_mac : wan_mac, ETH_ALEN);
	memcpy(p->eth.h_source, peer_mac, ETH_ALEN);
	p->eth.h_proto = htons(ETH_P_IP);
	p->ip.version = 4;
	p->ip.ihl = 5;
	p->ip.tot_len = htons(sizeof(p->ip) + tcp_length);
	p->ip.frag_off = htons(IP_DF);
	p->ip.ttl = 64;
	p->ip.protocol = IPPROTO_TCP;
	p->ip.saddr = htonl(step->from_client ? client : server);
	p->ip.daddr = htonl(step->from_client ? server : SNAT);
	p->ip.check = folded(sum(&p->ip, sizeof(p->ip)));
	p->tcp.source = htons(step->from_client ? port : SERVER_PORT);
	p->tcp.dest = htons(step->from_client ? SERVER_PORT : port);
	p->tcp.seq = htonl(step->from_client ? client_seq : server_seq);
	p->tcp.ack_seq = step->flags & TH_ACK ? htonl(step->from_client ? server_seq : client_seq) : 0;
	p->tcp.doff = sizeof(p->tcp) / 4;
	p->tcp.th_flags = step->flags;
	p->tcp.window = htons(65535);
	memset(p->data, 'x', step->data);
	p->tcp.check = folded(sum(&p->ip.saddr, 8) + IPPROTO_TCP + tcp_length + sum(&p->tcp, tcp_length));
	return sizeof(p->eth) + sizeof(p->ip) + tcp_length;
}

/* Opens the persistent tap `name` of this network namespace. */
static int open_tap(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	if (fd < 0)
		die("/dev/net/tun");
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &request))
		die(name);
	return fd;
}

static int64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/*
 * Nanoseconds for which the processors have run threads, since the start of the machine, interrupts on top of them included. What
 * runs now is counted up to the last time that it began to.
 */
static int64_t busy_ns(void)
{
	FILE *file = fopen("/proc/schedstat", "r");
	char line[512];
	int64_t total = 0, one;

	if (!file)
		die("/proc/schedstat");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "cpu%*d %*u %*u %*u %*u %*u %*u %ld", &one) == 1)
			total += one;
	fclose(file);
	return total;
}

/* Nanoseconds that thread `pid` has run. */
static int64_t thread_ns(int pid)
{
	char path[64];
	int64_t ran = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%ld", &ran) != 1)
		die(path);
	fclose(file);
	return ran;
}

static int64_t rusage_ns(struct timeval time)
{
	return time.tv_sec * NS_PER_S + time.tv_usec * 1000LL;
}

static void sleep_until(int64_t when)
{
	struct timespec until = { when / NS_PER_S, when % NS_PER_S };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* Where a profile begins and ends: profile.c watches for these addresses, which no other program of the machine uses. */
#define MARKER __attribute__((noinline, noclone, section(".marker")))
MARKER static void profile_begin(void)
{
	__asm__ volatile("");
}

MARKER static void profile_end(void)
{
	__asm__ volatile("nop");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "netns", 1, 0, 'n' },	 { "count", 1, 0, 'c' }, { "first", 1, 0, 'f' },  { "window", 1, 0, 'w' }, { "rate", 1, 0, 'r' },
		{ "only", 1, 0, 'o' },	 { "stray", 0, 0, 's' }, { "settle", 1, 0, 't' }, { "watch", 1, 0, 'p' },  { 0 },
	};
	const char *netns = "fw1";
	uint32_t count = 3000, first = 0, window = 1, rate = 0, only = FRAMES, watched = 0;
	int stray = 0, settle_ms = 500, option, ns, lan, wan, pids[WATCHED_MAX];
	int64_t threads[WATCHED_MAX], start, end, busy;
	struct rusage before, after;
	struct packet *packets, *p;
	uint8_t *lengths, *length;
	char path[128];

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'n': netns = optarg; break;
		case 'c': count = atoi(optarg); break;
		case 'f': first = atoi(optarg); break;
		case 'w': window = atoi(optarg); break;
		case 'r': rate = atoi(optarg); break;
		case 'o': only = atoi(optarg); break;
		case 's': stray = 1; break;
		case 't': settle_ms = atoi(optarg); break;
		case 'p':
			if (watched < WATCHED_MAX)
				pids[watched++] = atoi(optarg);
			break;
		default: return 2;
		}
	}
	if (!window || !only || only > FRAMES) {
		fprintf(stderr, "inject: --window is at least 1, --only at least 1 and at most %zu\n", FRAMES);
		return 2;
	}

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	ns = open(path, O_RDONLY);
	if (ns < 0 || setns(ns, CLONE_NEWNET))
		die(path);
	lan = open_tap("lan");
	wan = open_tap("wan");

	/* Connection `i` of the window that begins with `w`: its frames lie `window` apart, in the order in which they are sent. */
	packets = p = malloc((size_t)count * only * sizeof(*packets) + 1);
	lengths = length = malloc((size_t)count * only + 1);
	if (!packets || !lengths)
		die("memory for the frames");
	for (uint32_t w = 0; w < count; w += window)
		for (uint32_t step = 0; step < only; step++)
			for (uint32_t i = w; i < w + window && i < count; i++)
				*length++ = make(p++, first + i, &steps[step], stray);

	/* What the preparations took is counted when they sleep. */
	sleep_until(clock_ns() + NS_PER_MS);
	for (uint32_t i = 0; i < watched; i++)
		threads[i] = thread_ns(pids[i]);
	getrusage(RUSAGE_SELF, &before);
	busy = busy_ns();
	profile_begin();
	start = clock_ns();
	p = packets;
	length = lengths;
	for (uint32_t w = 0; w < count; w += window) {
		uint32_t size = w + window < count ? window : count - w;

		if (rate)
			sleep_until(start + w * NS_PER_S / rate);
		for (uint32_t step = 0; step < only; step++) {
			int to = steps[step].from_client ? lan : wan;

			for (uint32_t i = 0; i < size; i++)
				if (write(to, p++, *length++) < 0)
					die("writing a frame");
		}
	}
	end = clock_ns();
	getrusage(RUSAGE_SELF, &after);
	sleep_until(end + settle_ms * NS_PER_MS);
	profile_end();
	busy = busy_ns() - busy;

	printf("connections=%u elapsed_ns=%ld busy_ns=%ld user_ns=%ld system_ns=%ld", count, end - start, busy,
	       rusage_ns(after.ru_utime) - rusage_ns(before.ru_utime), rusage_ns(after.ru_stime) - rusage_ns(before.ru_stime));
	for (uint32_t i = 0; i < watched; i++)
		printf(" %d=%ld", pids[i], thread_ns(pids[i]) - threads[i]);
	printf("\n");
	return 0;
}
