// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets of a family that Linux no longer uses, whose calls are those of Linux's PV Calls frontend, which nothing in
 * Linux calls. Addresses are those of AF_INET: only the socket itself has the other family.
 */
#include <linux/module.h>
#include <linux/net.h>
#include <linux/socket.h>
#include <net/sock.h>

#include "pvcalls-front.h"

/* Econet left Linux in 3.5; its number stays reserved. */
#define PF_PVCALLS PF_ECONET

static struct proto family_proto = {
	.name = "PVCALLS-FAMILY",
	.owner = THIS_MODULE,
	.obj_size = sizeof(struct sock),
};

static int family_release(struct socket *sock)
{
	struct sock *sk = sock->sk;
	int ret;

	if (!sk)
		return 0;
	ret = pvcalls_front_release(sock);
	sock_orphan(sk);
	sock->sk = NULL;
	sock_put(sk);
	return ret;
}

/* The frontend makes the new socket's sock but leaves it raw, with its own state where sock_init_data() clears. */
static int family_accept(struct socket *sock, struct socket *newsock, int flags, bool kern)
{
	int ret = pvcalls_front_accept(sock, newsock, flags);

	if (newsock->sk) {
		struct sk_buff *state = newsock->sk->sk_send_head;

		sock_init_data(newsock, newsock->sk);
		newsock->sk->sk_send_head = state;
		newsock->state = SS_CONNECTED;
	}
	return ret;
}

static int family_getname(struct socket *sock, struct sockaddr *addr, int peer)
{
	memset(addr, 0, sizeof(struct sockaddr_in));
	addr->sa_family = AF_INET;
	return sizeof(struct sockaddr_in);
}

static int family_connect(struct socket *sock, struct sockaddr *addr, int len, int flags)
{
	int ret = pvcalls_front_connect(sock, addr, len, flags);

	if (!ret)
		sock->state = SS_CONNECTED;
	return ret;
}

/* msg_flags has MSG_DONTWAIT for a socket that does not block: sendmsg(2) and write(2) see to it. */
static const struct proto_ops family_ops = {
	.family = PF_PVCALLS,
	.owner = THIS_MODULE,
	.release = family_release,
	.bind = pvcalls_front_bind,
	.connect = family_connect,
	.socketpair = sock_no_socketpair,
	.accept = family_accept,
	.getname = family_getname,
	.poll = pvcalls_front_poll,
	.ioctl = sock_no_ioctl,
	.listen = pvcalls_front_listen,
	.shutdown = sock_no_shutdown,
	.sendmsg = pvcalls_front_sendmsg,
	.recvmsg = pvcalls_front_recvmsg,
	.mmap = sock_no_mmap,
	.sendpage = sock_no_sendpage,
};

static int family_create(struct net *net, struct socket *sock, int protocol, int kern)
{
	struct sock *sk;
	int ret;

	if (sock->type != SOCK_STREAM)
		return -ESOCKTNOSUPPORT;
	if (protocol)
		return -EPROTONOSUPPORT;
	sk = sk_alloc(net, PF_PVCALLS, GFP_KERNEL, &family_proto, kern);
	if (!sk)
		return -ENOMEM;
	sock->ops = &family_ops;
	sock_init_data(sock, sk);
	ret = pvcalls_front_socket(sock);
	if (ret) {
		sock_orphan(sk);
		sock->sk = NULL;
		sock_put(sk);
	}
	return ret;
}

static const struct net_proto_family family = {
	.family = PF_PVCALLS,
	.create = family_create,
	.owner = THIS_MODULE,
};

static int __init family_init(void)
{
	return sock_register(&family);
}

static void __exit family_exit(void)
{
	sock_unregister(PF_PVCALLS);
}

module_init(family_init);
module_exit(family_exit);
MODULE_DESCRIPTION("A socket family on Linux's PV Calls frontend, for tests");
MODULE_LICENSE("GPL");
